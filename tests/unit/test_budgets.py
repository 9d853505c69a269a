"""Budgets: refused where they cannot be asked, and every figure of a run beside its limit."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from report_documents import execution, line, report, stopped
from rich.console import Console

from edgeship.toolchain.commands.run import exit_code
from edgeship.toolchain.errors import RecipeError
from edgeship.toolchain.protocol.run import Instructions
from edgeship.toolchain.recipe import read as recipes
from edgeship.toolchain.recipe.budgets import Budget
from edgeship.toolchain.report.budgets import findings
from edgeship.toolchain.report.cards import cards
from edgeship.toolchain.report.compare import compare
from edgeship.toolchain.report.html import render
from edgeship.toolchain.report.terminal.run import report_view

RECIPE = """
[model]
factory = "./model.py:build"
inputs = [{ name = "x", shape = [1, 3] }]
[variants]
float = []
[targets.onnx]
[devices.here]
device = "local"
[devices.a53]
device = "emulated"
cpu = "cortex-a53"
"""


def problem(budget: str, tmp_path: Path, text: str = RECIPE) -> str:
    with pytest.raises(RecipeError) as caught:
        recipes.parse(f"{text}\n{budget}", tmp_path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ("[[budgets]]", "budgets[0]: limits nothing"),
        ("[budgets]\nsize_bytes = 1", "budgets: must be a list of tables"),
        ("[[budgets]]\nsize_byte = 1", "did you mean 'size_bytes'?"),
        ("[[budgets]]\nsize_bytes = -1", "budgets[0].size_bytes"),
        ('[[budgets]]\nvariant = "int8"\nsize_bytes = 1', "there is no variant 'int8'"),
        ('[[budgets]]\ndevice = "pi"\nsize_bytes = 1', "one of here, a53"),
        ('[[budgets]]\ndevice = "a53"\nlatency_p50_ms = 1', "an emulated core has no time and no memory"),
        ('[[budgets]]\ndevice = "here"\ninstructions = 1', "only emulated cores count instructions"),
        ("[[budgets]]\nmetric_drop = 0.1", "no model has a task metric"),
    ],
)
def test_a_budget_that_cannot_be_asked_is_refused_with_its_place(budget: str, said: str, tmp_path: Path) -> None:
    assert said in problem(budget, tmp_path)


def test_a_recipe_holds_its_budgets(tmp_path: Path) -> None:
    [one] = recipes.parse(f"{RECIPE}\n[[budgets]]\nlatency_p50_ms = 2\nsize_bytes = 9\n", tmp_path).budgets
    assert list(one.limits.items()) == [("size_bytes", 9), ("latency_p50_ms", 2)]  # what is the same in every run first


def counted(total: int) -> Instructions:
    return Instructions(total=total, memory=0, simd=0, dot_product=0, multiply_add=0)


def test_each_figure_is_met_exceeded_open_or_unknown() -> None:
    int8 = line("int8", "onnx", execution("w8a8-static"), execution("w8a8-static", "a53", latency_ns=0))
    int8.executions[1].instructions = counted(1_000)
    lines = [line("float"), int8, stopped("int8", "litert", "failed", "no"), stopped("fp16", "onnx", "unsupported", "")]
    budgets = [
        Budget(size_bytes=100_000),
        Budget(variant="int8", size_bytes=20_000, metric_at_least=0.99, metric_drop=0.001),
        Budget(device="local", latency_p50_ms=0.206, peak_rss_bytes=4_000_000),
        Budget(instructions=999),
    ]
    found = {(f.line, f.device, f.figure): f for f in findings(budgets, lines, ["a53"])}
    verdicts = {key: finding.verdict for key, finding in found.items()}
    assert verdicts["net float → onnx", None, "size_bytes"] == "exceeded"
    assert found["net int8 → onnx", None, "size_bytes"].limit == 20_000  # the narrower of two
    assert verdicts["net int8 → onnx", "local", "metric_at_least"] == "met"
    assert verdicts["net int8 → onnx", "a53", "metric_drop"] == "exceeded"
    assert verdicts["net float → onnx", "local", "latency_p50_ms"] == "exceeded"
    assert verdicts["net int8 → onnx", "local", "latency_p50_ms"] == "inconclusive"
    assert verdicts["net int8 → onnx", "local", "peak_rss_bytes"] == "met"
    assert verdicts["net int8 → onnx", "a53", "instructions"] == "exceeded"
    assert verdicts["net int8 → litert", None, "size_bytes"] == "unknown"
    assert not any(name.startswith("net fp16") for name, _, _ in found)
    assert ("net int8 → onnx", "a53", "latency_p50_ms") not in found


@pytest.mark.parametrize(
    ("budget", "code"),
    [
        (Budget(size_bytes=10**9), 0),
        (Budget(size_bytes=10), 1),
        (Budget(latency_p50_ms=0.3), 3),
        (Budget(planned_bytes=10), 3),
    ],
)
def test_a_run_ends_with_the_worst_of_its_budgets(budget: Budget, code: int) -> None:
    lines = [line("float")]
    made = report(lines, budgets=findings([budget], lines, []))
    assert exit_code(made) == code
    assert made.headline[0] == ("bad" if code == 1 else "good")


def test_terminal_and_page_show_found_and_allowed() -> None:
    lines = [line("float"), line("int8")]
    made = report(lines, budgets=findings([Budget(size_bytes=100_000, latency_p50_ms=0.25)], lines, []))
    console = Console(file=io.StringIO(), width=120)
    for part in report_view(made):
        console.print(part)
    text = " ".join(console.file.getvalue().split())  # type: ignore[attr-defined]
    assert "size_bytes net float → onnx 240 kB ≤ 100 kB exceeded" in text
    assert "2 of 4 budgets are exceeded" in text
    page = render(made)
    assert '<h2 id="budgets">' in page
    assert "≤ 0.250 ms" in page
    assert "budgets" not in render(report(lines))


def test_a_file_over_a_budget_is_not_recommended_and_makes_no_other_worse() -> None:
    lines = [line("float"), line("int8")]
    compare(lines)
    assert [each.recommended for each in lines] == [False, True]
    assert lines[0].dominated_by == "int8"
    lines = [line("float"), line("int8")]
    compare(lines, {lines[1].name})
    assert [each.recommended for each in lines] == [True, False]
    assert lines[0].dominated_by is None
    compare(lines := [line("float"), line("int8")], {each.name for each in lines})
    assert not any(each.recommended for each in lines)


def test_a_card_says_that_a_budget_is_in_the_way() -> None:
    lines = [line("float"), line("int8")]
    made = report(lines, budgets=findings([Budget(size_bytes=10)], lines, []))
    for each in made.lines:  # as a run leaves them
        each.recommended = False
    (card,) = cards(made)
    assert (card.line, card.why) == (None, "2 over a budget")

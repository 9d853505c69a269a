"""The benchmarks' own parts: figures to goals, results to tables, networks that are fit to be measured."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from benchmarks import (
    aa_test,
    agent_overhead,
    artifact_latency,
    compared,
    coverage_table,
    examples,
    growth,
    images,
    latency_goals,
    profiles,
    results,
    tables,
    toolchain_speed,
    what_optimizations_bring,
    zoo,
)
from benchmarks.aa_table import aa_table
from benchmarks.growth_table import growth_table
from benchmarks.overhead_table import overhead_table
from benchmarks.results import Goal, at_least, at_most
from edgeship.toolchain.recipe import read as recipes

RECIPES = results.ROOT / "benchmarks" / "recipes"


@pytest.mark.parametrize("page", tables.PAGES, ids=lambda page: page.name)
def test_a_page_says_what_the_results_and_the_plugins_say(page: Path) -> None:
    text = page.read_text()
    assert "<!-- /" in text
    assert tables.render(text) == text, "run `make tables`"


def test_a_plugin_is_shown_as_it_stands_with_the_line_that_registers_it() -> None:
    folder = tables.ROOT / "examples" / "plugins"
    shown = tables.plugin(folder / "own_runtime" / "__init__.py")
    assert (folder / "own_runtime" / "__init__.py").read_text() in shown
    assert shown.endswith('[project.entry-points."edgeship.targets"]\neager = "own_runtime:Eager"\n```')


def test_a_goal_says_its_value_its_limit_and_whether_it_was_met() -> None:
    assert str(at_most("memory", 5, 4.0)) == "goal memory: 5 against ≤ 4: missed"
    assert str(at_least("share", 1.0, 1.0)) == "goal share: 1 against ≥ 1: met"
    assert str(at_most("memory", None, 4.0)) == "goal memory: not measured against ≤ 4: missed"


def test_the_agent_is_as_fast_as_a_bare_loop_where_the_whole_interval_says_so() -> None:
    row = {"interval": [0.98, 1.01], "ratio": 1.0, "pairs": 20, "bare_ns": 3e6, "agent_ns": 3e6}
    row |= {"agent_peak_bytes": 31e6, "bare_peak_bytes": 30e6}
    rows = {"onnx float": row, "onnx int8": row | {"interval": [1.0, 1.04], "agent_peak_bytes": 41e6}}
    goals = list(agent_overhead.goals(rows))
    assert [goal.met for goal in goals] == [False, True, True, False, False]
    document = {"rows": rows, "created_at": "2026-11-30T", "environment": results.environment()}
    text = overhead_table(document | {"goals": [dataclasses.asdict(goal) for goal in goals]}, Path())
    assert "| ONNX Runtime | float | 3.00 ms | 3.00 ms | 1.000× [0.980, 1.010] | 30.0 MB | +1.0 MB |" in text
    assert "agent-to-bare-loop/onnx int8: 1.04 against ≤ 1.02: missed" in text


def test_the_table_of_verdicts_counts_what_is_so_beside_what_was_said() -> None:
    same = {"verdict": "no change", "half_widths": {"5": 0.04, "20": 0.02}}
    rows = {
        "truth/00": {"log_ratios": {"slower": [0.07, 0.08, 0.09], "faster": [-0.08, -0.08, -0.07]}},
        "same/00": same,
        "same/01": same | {"verdict": "regression"},
        "slower/00": same | {"verdict": "regression"},
        "faster/00": same | {"verdict": "inconclusive"},
    }
    met = {goal.name: goal.met for goal in aa_test.goals(rows)}
    assert met == {
        "comparisons": False,
        "false-verdicts-of-100": False,
        "no-change-of-100": False,
        "slower-named-right-of-50": True,
        "faster-named-right-of-50": False,
    }
    text = aa_table({"rows": rows, "created_at": "2026-11-29T", "environment": results.environment()}, Path())
    assert "| same (2) | 1 | 1 | 0 | 1 | 0 |" in text
    assert "| slower (1) | 1.083 [1.057, 1.111] | 1 | 0 | 0 | 0 |" in text
    assert "False verdicts on identical files: 1 of 2" in text


def _latency_row(ratio: list[float], sqnr_db: dict[str, float], variant: str = "int8") -> dict[str, object]:
    return {
        "model": "net",
        "target": "onnx",
        "variant": variant,
        "tool": "a tool",
        "size_bytes": {"float": 400, "ours": 110, "theirs": 100},
        "sqnr_db": sqnr_db,
        "cosine": {"float": 1.0, "ours": 0.99, "theirs": 0.98},
        "p50_ns": {"float": 4e6, "ours": 2e6, "theirs": 2e6},
        "launch_medians_ns": {"ours": [1, 1]},
        "measured": "2026-11-28",
        "ours_to_theirs": ratio,
        "ours_to_float": [0.5, 0.4, 0.6],
    }


def _met(goals: list[Goal]) -> dict[str, bool]:
    return {goal.name.partition("/")[0]: goal.met for goal in goals}


def test_a_latency_goal_is_missed_only_where_the_whole_interval_lies_above_the_limit() -> None:
    sound = _latency_row([1.04, 1.01, 1.07], {"ours": 30.0, "theirs": 30.4})
    slow = _latency_row([1.15, 1.11, 1.19], {"ours": 29, "theirs": 30})
    met = {goal.name.partition("/")[0]: goal for goal in latency_goals.goals({f"{i}": sound for i in range(20)})}
    missed = {goal.name.partition("/")[0]: goal for goal in latency_goals.goals({"sound": sound, "slow": slow})}
    for name in ("latency-to-theirs-at-most-1.02", "quality-above-theirs-minus-0.5-db"):
        assert met[name].met
        assert not missed[name].met
        assert missed[name].note == "slow"
    assert not missed["latency-to-theirs"].met


def test_a_file_slower_than_its_float_twin_must_name_the_operator() -> None:
    slow = _latency_row([1, 0.9, 1.1], {"ours": 30, "theirs": 30}) | {"ours_to_float": [1.3, 1.2, 1.4]}
    named = slow | {"to_blame": "2 HardSwish compute in float between conversions"}
    for row, met in ((slow, False), (named, True)):
        goals = {goal.name: goal.met for goal in latency_goals.goals({"a": row})}
        assert goals["slower-than-float-without-a-reason/rows"] is met


def test_the_operator_that_int8_slows_most_is_named_with_both_times() -> None:
    plain = {"FusedConv": 1.0, "Convolution (NHWC, F32) IGEMM": 3.0, "Softmax": 0.5}
    ours = {"QLinearConv": 1.5, "Convolution (NHWC, QC8) IGEMM": 3.1, "Softmax": 0.5, "QuantizeLinear": 0.2}
    assert profiles.most_slowed(ours, plain) == "QLinearConv takes 1.500 ms, in float 1.000 ms"
    assert profiles.most_slowed({"QLinearConv": 0.5}, plain) is None


def test_a_dynamic_file_is_held_against_the_cosine() -> None:
    row = _latency_row([0.9, 0.8, 1.0], {"ours": 30, "theirs": 30}, "int8-dynamic")
    assert not latency_goals.quality_lost(row)
    assert latency_goals.quality_lost(row | {"cosine": {"ours": 0.97, "theirs": 0.98}})


def test_the_coverage_table_keeps_apart_what_is_right_and_what_quantization_kept(tmp_path: Path) -> None:
    def row(network: str, variant: str, **more: object) -> dict[str, object]:
        plain = {"carried": True, "made": True, "right": True, "seconds": {"converting": 1.0}}
        return {"network": network, "variant": variant, "target": "onnx", **plain, **more}

    rows = [
        row("unet", "float"),
        row("unet", "int8", kept_db=31.0, right=False, reason="a scale is not the program's"),
        row("vit", "float", made=False, right=False, known_before=True, reason="no such operator"),
        row("vit", "int8", kept_db=8.5, seconds={"converting": 9.0}),
        row("vit", "int8-dynamic", carried=False),
    ]
    document = {
        "created_at": "2026-11-29T10:00:00Z",
        "environment": results.environment(),
        "goals": [],
        "rows": {str(index): each for index, each in enumerate(rows)},
    }
    text = coverage_table.coverage_table(document, tmp_path)
    assert "| ONNX Runtime | 1 of 2 | 1 of 2 (2 made) | – |" in text
    assert "| ≥ 30 dB | 1 | 0 |" in text
    assert "| < 15 dB | vit 8.5 | none |" in text
    assert "converting of vit int8 for ONNX Runtime, 9 s" in text
    assert "- vit float ONNX Runtime: refused before the conversion: no such operator" in text
    assert "- unet int8 ONNX Runtime: a scale is not the program's" in text


def test_results_are_kept_from_one_run_to_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    results.Results("zoo", False).put("resnet18", {"peak_bytes": 5e9, "lines": []}, zoo.goals)
    again = results.Results("zoo", False)
    again.put("vit_tiny", {"peak_bytes": 1e9, "lines": []}, zoo.goals)
    written = json.loads((tmp_path / "zoo.json").read_text())
    assert list(written["rows"]) == ["resnet18", "vit_tiny"]
    assert [goal["met"] for goal in written["goals"]] == [False, True]
    assert written["environment"]["libraries"]["torch"]


def test_a_table_names_what_failed_and_marks_what_is_slower_than_float(tmp_path: Path) -> None:
    good = {"variant": "float", "target": "onnx", "status": "ok", "verdict": "pass", "sqnr_float_db": 120.0,
            "p50_ns": 2e6, "size_bytes": 4_000_000}  # fmt: skip
    slow = good | {"variant": "int8", "sqnr_float_db": 35.2, "p50_ns": 3e6, "latency_ratio": 1.5, "size_bytes": 999_000}
    broken = {"variant": "int8-dynamic", "target": "onnx", "status": "failed", "reason": "no such operator"}
    document = {
        "created_at": "2026-11-23T10:00:00Z",
        "environment": results.environment(),
        "rows": {"resnet18": {"lines": [good, slow, broken], "peak_bytes": 2_000_000_000}},
    }
    (tmp_path / "zoo.json").write_text(json.dumps(document))
    text = tables.render("before <!-- table:zoo -->\nold\n<!-- /table:zoo --> after", results=tmp_path)
    assert "120 dB · 2.00 ms · 4.00 MB" in text
    assert "35.2 dB · 3.00 ms (1.50× float) · 999 kB" in text
    assert "- resnet18 int8-dynamic ONNX Runtime: no such operator" in text
    assert "2.0 GB" in text
    assert text.startswith("before ")
    assert text.endswith(" after")
    assert "old" not in text


def test_a_table_without_results_stays_as_it_is(tmp_path: Path) -> None:
    text = "<!-- table:zoo -->\nold\n<!-- /table:zoo -->"
    assert tables.render(text, results=tmp_path) == text


def test_every_benchmark_recipe_is_sound() -> None:
    for file in RECIPES.glob("*.toml"):
        plan = recipes.read(file)
        assert plan.name == file.stem
    assert {file.stem for file in RECIPES.glob("*.toml")} == {*zoo.MODELS, "digits"}


def test_made_up_images_are_the_same_every_time_and_differ_among_themselves() -> None:
    first, again = images.structured(3, 32, seed=5), images.structured(3, 32, seed=5)
    assert np.array_equal(first, again)
    assert np.abs(first[0] - first[1]).mean() > 0.1
    assert np.allclose(first.mean((1, 2, 3, 4)), 0, atol=1e-5)


def test_warmed_networks_answer_ordinary_numbers_and_their_twins_the_same() -> None:
    import torch

    from benchmarks import models

    image = torch.from_numpy(images.structured(1, models.SIZE, seed=9)[0])
    with torch.no_grad():
        net = models.warmed("mobilenet_v2")
        answer = net(image)
        written_out = models.warmed("mobilenet_v2", fold=False)(image)
        turned = models.ChannelsLast(net)(image.permute(0, 2, 3, 1))
    assert 0.5 < float(answer.std()) < 2
    assert not any(module.training for module in net.modules())
    assert float((answer - written_out).abs().max()) < 1e-3
    assert not torch.equal(answer, written_out)  # other arithmetic, so it was written out
    assert torch.equal(answer, turned)


def test_a_warmed_network_keeps_its_numbers_when_they_are_rounded() -> None:
    """A network that blows rounding up compares quantizers by their luck, and fails every verdict."""
    import torch

    from benchmarks import models
    from edgeship.toolchain.judge.parity import sqnr_db

    net = models.warmed("mobilenet_v2")
    image = torch.from_numpy(images.structured(1, models.SIZE, seed=9)[0])

    def round_to_8_bits(module: object, given: object, output: torch.Tensor) -> torch.Tensor:
        scale = float(output.max() - output.min()) / 255
        return (output / scale).round() * scale

    with torch.no_grad():
        plain = net(image)
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.register_forward_hook(round_to_8_bits)
        rounded = net(image)
    assert 20 < sqnr_db(plain.numpy(), rounded.numpy()) < 60


@pytest.mark.parametrize("script", [artifact_latency, zoo, toolchain_speed, what_optimizations_bring, examples, growth])
def test_every_script_says_how_long_it_takes(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["script", "--help"])
    with pytest.raises(SystemExit, match="0"):
        script.main()
    said = capsys.readouterr().out
    assert "minute" in said
    assert "--quick" in said


def test_the_speed_goals_follow_the_figures() -> None:
    rows = {
        "help": {"median_s": 0.3},
        "warm": {"median_s": 2.0, "imports_torch": True},
        "changed": {"programs_built": 0, "artifacts_built": 4, "lines_of_target": 4},
        "cold": {"ratio": [0.75], "files_ratio": 0.5},
    }
    found = {goal.name: goal.met for goal in toolchain_speed.goals(rows)}
    assert found["help-seconds"]
    assert not found["warm-run-seconds"]
    assert not found["warm-run-imports-torch"]
    assert not found["cold-build-to-plain-script"]
    assert found["cold-files-to-plain-script"]
    assert found["lines-rebuilt-beyond-the-changed-target"]
    assert all(dataclasses.asdict(goal)["name"] for goal in toolchain_speed.goals(rows))


def _is_alive(name: str) -> bool:
    import torch

    from benchmarks import networks

    net = networks.alive(name)
    inputs = torch.from_numpy(networks.evaluation(name)[:4])
    with torch.no_grad():
        answers = [net(one) for one in inputs]
    first = torch.stack([answer if isinstance(answer, torch.Tensor) else answer[0] for answer in answers])
    varies = (first - first.mean(0)).square().mean().sqrt()
    return bool(torch.isfinite(first).all() and varies > 0.01 * first.square().mean().sqrt())


@pytest.mark.parametrize("name", ["temporal", "single_shot", "convnext_atto"])
def test_a_compared_network_answers_by_its_input(name: str) -> None:
    assert _is_alive(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(compared.NAMES) - set(compared.FILES)))
def test_every_compared_network_answers_by_its_input(name: str) -> None:
    assert _is_alive(name)


def test_layer_scales_and_last_norms_are_switched_on() -> None:
    from benchmarks import networks

    net = networks.alive("convnext_atto")
    scales = [value for key, value in net.named_parameters() if key.endswith("gamma")]
    assert scales
    assert all(float(value.detach().abs().min()) >= 0.3 for value in scales)


def test_memory_is_that_of_all_descendants_together() -> None:
    grandchild = "x = bytearray(100_000_000); import time; time.sleep(1.5)"
    child = f"import subprocess, sys; x = bytearray(50_000_000); subprocess.run([sys.executable, '-c', {grandchild!r}])"
    watch = growth.Watch()
    subprocess.run([sys.executable, "-c", child], check=True)
    assert 150e6 < watch.close() < 250e6


def test_the_table_of_growth_says_which_work_took_the_most_memory() -> None:
    cost = {"seconds": 61.2, "cpu_s": 100.0, "peak_bytes": 2_000_000_000, "exit_code": 1}
    work = {"pass": {"peak_bytes": 5_000_000}, "convert litert": {"peak_bytes": 900_000_000}}
    row = {"parameters_m": 86, "edgeship": cost, "work": work}
    document = {"created_at": "2026-11-29", "environment": {"device": {}}, "rows": {"vit": row}}
    lines = growth_table(document, Path()).splitlines()
    assert lines[2] == "| vit | 86 M | edgeship run | 61 | 100 | 2.00 GB | 900 MB (convert litert) |"
    assert "not run" in lines[3]
    row["plain"] = {**cost, "exit_code": -9}
    assert "61 (failed)" in growth_table(document, Path()).splitlines()[3]

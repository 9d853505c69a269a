"""What a run comes to, in one sentence, and its warnings, each said once with what it is said of."""

from __future__ import annotations

from typing import Any

import pytest

from edgeship.toolchain.report.document import ModelFacts, Report, ReportLine, shared_warnings


def line(variant: str, target: str, verdict: str | None = "pass", *warnings: str, status: str = "ok") -> ReportLine:
    return ReportLine.model_validate(
        {
            "model": "net", "variant": variant, "passes": [], "target": target, "spec": "float32", "status": status,
            "verdict": verdict, "warnings": warnings[:1],
            "executions": [{"device": "local", "verdict": verdict, "warnings": warnings[1:]}] if verdict else [],
        }
    )  # fmt: skip


def report(*lines: ReportLine) -> Report:
    empty: dict[str, Any] = {"variants": [], "targets": [], "devices": {}, "host": {}, "libraries": {}}
    return Report(
        name="r", created_at="", edgeship="", quick=False, protocol={}, lines=list(lines),
        models=[ModelFacts(name="net")],
        warnings=shared_warnings(list(lines)), **empty,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("verdicts", "kind", "text"),
    [
        (["pass", "pass"], "good", "computes the same"),
        (["pass", "fail"], "bad", "1 of 2 lines must not ship"),
        (["unverifiable", "fail"], "bad", "1 of 2 lines must not ship"),
        (["pass", "unverifiable"], "unproven", "1 of 2 lines cannot be verified"),
        (["unverifiable", "unverifiable"], "unproven", "0 pass"),
        (["not-executed", "not-executed"], "unproven", "0 pass"),
    ],
)
def test_only_what_was_proven_is_good(verdicts: list[str], kind: str, text: str) -> None:
    found = report(*(line("float", f"t{i}", verdict) for i, verdict in enumerate(verdicts))).headline
    assert found[0] == kind
    assert text in found[1]


def test_warnings_are_said_once_of_the_model_of_a_variant_or_of_a_line() -> None:
    lines = (
        line("float", "onnx", "pass", "synthetic"),
        line("int8", "onnx", "pass", "own data", "synthetic"),
        line("int8", "litert", "pass", "own data", "synthetic", "static"),
        line("int8", "coreml", None, status="unsupported"),
    )
    found = report(*lines)
    assert found.warnings == ["net: synthetic", "net int8: own data"]
    assert found.own_warnings == [("net int8 → litert", "static")]


def test_a_run_of_failed_lines_still_says_what_it_was_warned_of() -> None:
    assert report(line("float", "onnx", None, "few samples", status="failed")).warnings == ["net: few samples"]

"""Counted instructions for a reader: what they say and do not say, and a row for each file on each emulated core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeship.toolchain.report.document import Execution, Report, ReportLine

SAYS = "loads, agrees, executes so many instructions"
DOES_NOT_SAY = "milliseconds, memory bandwidth, caches, several threads, GPU or NPU"
NO_GAIN = 0.9
"""An int8 file that executes more than this share of its float twin's instructions gains nothing by them."""


@dataclass(frozen=True)
class Counted:
    """One file on one core."""

    line: ReportLine
    execution: Execution
    core: str
    """Its name, and the nearest CPU that stood in for it where that is another."""
    millions: str
    dot_product: str
    note: str


@dataclass(frozen=True)
class Counting:
    """The block of a report; `emulator` names what stood in for the cores."""

    emulator: str
    rows: Sequence[Counted]
    idle: Sequence[str]
    """Why files of some targets were not executed, each reason once."""


def counting(report: Report) -> Counting | None:
    """The block, or None where no core is emulated."""
    if not report.counted:
        return None
    emulators = dict.fromkeys(by for name in report.counting if (by := report.devices[name].get("emulated_by")))
    rows = [_row(report, line, e) for line, e in report.counted if e.verdict != "not-executed"]
    idle = dict.fromkeys(
        f"{line.target}: {reason}" for line, e in report.counted if e.verdict == "not-executed" for reason in e.reasons
    )
    return Counting(", ".join(emulators) or "no emulator", rows, list(idle))


def _row(report: Report, line: ReportLine, execution: Execution) -> Counted:
    facts, found = report.devices[execution.device], execution.instructions
    name, stand_in = facts.get("model", execution.device), facts.get("emulated_as")
    return Counted(
        line,
        execution,
        name if stand_in in (None, name) else f"{name} (as {stand_in})",
        f"{found.total / 1e6:.{1 if found.total >= 1e7 else 3}f}" if found else "",
        ("yes" if found.dot_product else "no") if found else "",
        _note(execution, "asimddp" in facts["cpu"].get("features", ())),
    )


def _note(execution: Execution, has_dot_product: bool) -> str:
    if execution.not_measured:
        return f"not counted: {execution.not_measured}"
    ratio = execution.instructions_ratio
    if ratio is not None and ratio > NO_GAIN:
        return "no fewer than float" + ("" if has_dot_product else ": this core has no dot product")
    return ""

"""Budgets of a recipe in a terminal: every figure that has a limit, the exceeded ones first."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from edgeship.toolchain.report.document import Finding, Report
from edgeship.toolchain.report.figures import shown
from edgeship.toolchain.report.terminal.table import Cell, Column, FittedTable

STYLES = {"met": "green", "exceeded": "bold red", "inconclusive": "yellow", "unknown": "yellow"}
ORDER = ("exceeded", "inconclusive", "unknown", "met")


def budgets_view(report: Report) -> Iterator[Text | FittedTable]:
    """Nothing where the recipe sets no budget."""
    if not report.budgets:
        return
    columns = [Column("budget", "key"), Column("of", "key"), *([Column("device", "key")] if _several(report) else [])]
    columns += [Column("found", "figure"), Column("limit", "figure"), Column("verdict")]
    found = sorted(report.budgets, key=lambda finding: ORDER.index(finding.verdict))
    yield FittedTable(columns, [_row(finding, _several(report)) for finding in found])
    yield Text("")


def _several(report: Report) -> bool:
    return len(report.devices) > 1


def _row(finding: Finding, several: bool) -> list[Cell]:
    return [
        finding.figure,
        finding.line,
        *([finding.device or ""] if several else []),
        "" if finding.value is None else shown(finding.figure, finding.value),
        f"{'≥' if finding.at_least else '≤'} {shown(finding.figure, finding.limit)}",
        Text(finding.verdict, STYLES[finding.verdict]),
    ]

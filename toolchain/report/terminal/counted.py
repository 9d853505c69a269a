"""The block of emulated cores: instructions, apart from everything that was timed."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from edgeship.toolchain.report.counting import DOES_NOT_SAY, SAYS, Counted, counting
from edgeship.toolchain.report.document import Report
from edgeship.toolchain.report.format import ratio
from edgeship.toolchain.report.terminal.table import Cell, Column, FittedTable


def counted_view(report: Report) -> Iterator[Text | FittedTable]:
    """Nothing where no core is emulated."""
    block = counting(report)
    if block is None:
        return
    yield Text(f"ARM kernels, counted ({block.emulator}, 1 thread). Says: {SAYS}.", "bold")
    yield Text(f"Does not say: {DOES_NOT_SAY}.", "bold")
    several = len(report.models) > 1
    columns = [
        *([Column("model", "key")] if several else []),
        *(Column(title, "key") for title in ("variant", "target", "core")),
        Column("agrees"),
        Column("M instr", "figure"),
        Column("÷ float", "figure", joined=True),
        Column("dot product"),
        Column("notes", "text"),
    ]
    if block.rows:
        yield FittedTable(columns, [_row(row, several) for row in block.rows])
    for text in block.idle:
        yield Text(f"not executed: {text}", "yellow")
    yield Text("")


def _row(row: Counted, several_models: bool) -> list[Cell]:
    fewer = row.execution.instructions_ratio
    return [
        *([row.line.model] if several_models else []),
        row.line.variant,
        row.line.target,
        row.core,
        Text(row.execution.verdict, "" if row.execution.verdict == "pass" else "bold red"),
        row.millions,
        ratio(fewer) if fewer else "",
        row.dot_product,
        row.note,
    ]

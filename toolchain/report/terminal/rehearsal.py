"""What `rehearse` found, for a person."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from edgeship.toolchain.report.format import decibel, milliseconds, ratio, share
from edgeship.toolchain.report.rehearsal import Rehearsal, Rehearsed
from edgeship.toolchain.report.terminal.comparison import STYLES
from edgeship.toolchain.report.terminal.console import count
from edgeship.toolchain.report.terminal.table import Column, FittedTable

OUTPUTS = {"identical": "green", "alike": "green", "different": "bold red"}


def rehearsal_view(found: Rehearsal) -> Iterator[Text | FittedTable]:
    """A line per file: its outputs, its instructions and latency, or why it does not run."""
    figures = [f"{found.installed} ms", f"{found.other} ms", "ratio", "95% interval"]
    columns = [Column("file", "key"), Column("outputs", "text"), *(Column(title, "figure") for title in figures)]
    yield FittedTable([*columns, Column("latency", "text")], [[each.file, *_cells(each)] for each in found.files])
    counted = [each for each in found.files if each.instructions or each.uncounted]
    if counted:
        yield Text("")
        versions = [Column(f"{version}, M instr", "figure") for version in (found.installed, found.other)]
        columns = [Column("file", "key"), *versions, Column("ratio", "figure"), Column("on an ARM core", "text")]
        yield FittedTable(columns, [[each.file, *_counts(each)] for each in counted])
    yield Text("")
    yield Text(
        f"{found.distribution} {found.other} beside {found.installed}, both under the Python agent; outputs on "
        f"{count(found.samples, 'random input')}, the same for both"
        + ("; counted with the native agent around each version's libraries" if counted else ""),
        "dim",
    )
    timed = [each.latency for each in found.files if each.latency]
    if timed:
        yield Text(f"{timed[0].pairs} pairs of launches, effects of {share(timed[0].threshold)} matter", "dim")


def _counts(each: Rehearsed) -> list[str | Text]:
    found = each.instructions
    if found is None:
        return ["", "", "", Text(each.uncounted or "", "bold red")]
    millions = [f"{figure / 1e6:.3f}" for figure in found.figures]
    verdict = f"{found.verdict} on {found.device}"
    return [*millions, f"{found.ratio:.4f}", Text(verdict, STYLES[found.verdict])]


def _cells(each: Rehearsed) -> list[str | Text]:
    error = Text(each.error or "", "bold red")
    if each.outputs is None:
        return ["", "", "", "", "", error]
    level = "" if each.sqnr_db is None else f", {decibel(each.sqnr_db)}"
    outputs = Text(f"{each.outputs}{level}", OUTPUTS[each.outputs])
    if each.latency is None:
        return [outputs, "", "", "", "", error]
    low, high = each.latency.interval or (None, None)
    interval = "" if low is None else f"{low:.3f} to {high:.3f}"
    reason = f": {each.latency.reason}" if each.latency.reason else ""
    verdict = Text(f"{each.latency.verdict}{reason}", STYLES[each.latency.verdict])
    return [outputs, *map(milliseconds, each.latency.figures), ratio(each.latency.ratio), interval, verdict]

"""The history of figures in a terminal: each subject's last values, and the change where two can be compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from edgeship.toolchain.recipe.budgets import TIMED
from edgeship.toolchain.report.figures import shown
from edgeship.toolchain.report.format import ratio
from edgeship.toolchain.report.past import Entry, differing
from edgeship.toolchain.report.terminal.table import Cell, Column, FittedTable

TIMES = "Times of different runs are no comparison: `edgeship compare OLD NEW` measures two files in turn."


def past_view(found: Sequence[Entry], last: int) -> Iterator[Text | FittedTable]:
    """The last values of each subject, the newest first."""
    if not found:
        yield Text("nothing is kept yet: every `edgeship run` adds its figures")
        return
    subjects: dict[tuple[str, str, str, str], list[Entry]] = {}
    for entry in found:
        subjects.setdefault(entry.subject, []).append(entry)
    several = len({entry.recipe for entry in found}) > 1
    columns = [*([Column("recipe", "key")] if several else []), Column("line", "key"), Column("device", "key")]
    columns += [Column("figure", "key"), Column("when"), Column("value", "figure"), Column("change", "text")]
    rows = [row for values in subjects.values() for row in _rows(values, last, several)]
    yield FittedTable(columns, rows)
    if any(entry.figure in TIMED for entry in found):
        yield Text(TIMES, "dim")


def _rows(values: Sequence[Entry], last: int, several: bool) -> Iterator[list[Cell]]:
    first = max(0, len(values) - last)
    for index in range(len(values) - 1, first - 1, -1):
        entry, before = values[index], values[index - 1] if index else None
        whose = [entry.recipe] if several else []
        whose += [entry.line, entry.device, entry.figure] if index == len(values) - 1 else ["", "", ""]
        value = shown(entry.figure, entry.value)
        yield [*whose, entry.at.replace("T", " ").removesuffix("Z"), value, _change(before, entry)]


def _change(before: Entry | None, entry: Entry) -> str:
    """Of what is the same in every run only."""
    if before is None or entry.figure in TIMED:
        return ""
    if why := differing(before, entry):
        return why
    if entry.value == before.value:
        return "same file" if entry.sha256 == before.sha256 else "the same"
    if entry.figure == "metric":
        return f"{100 * (entry.value - before.value):+.2f} points"
    return ratio(entry.value / before.value) if before.value else ""

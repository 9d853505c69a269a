"""Tables that lose nothing: what does not fit the width stands in a further table below, or one fact per line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

GAP = 2
"""Columns between two cells."""
TEXT_WIDTH = 28
"""Free text wraps at its words down to this width."""
Cell = str | Text


@dataclass(frozen=True)
class Column:
    """One column; all but `text` keep each cell on one line.

    `key` names the row and is repeated in every part of a divided table, `figure` is aligned to the right, and a
    column with `joined` stays beside the one before it.
    """

    title: str
    kind: Literal["key", "word", "figure", "text"] = "word"
    joined: bool = False


@dataclass(frozen=True)
class FittedTable:
    """A table in the width it is given, its columns in the order of their importance.

    Those that do not fit beside the ones before them follow in a further table under the same keys; where the keys
    leave no room for that, each row is a block of lines. A column without any content is left out.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Called by rich."""
        columns = self.columns
        texts = [[cell if isinstance(cell, Text) else Text(cell) for cell in row] for row in self.rows]
        used = [i for i, column in enumerate(columns) if column.kind == "key" or any(row[i].plain for row in texts)]
        widths = {i: _least_width(columns[i], [row[i] for row in texts]) for i in used}
        keys = [i for i in used if columns[i].kind == "key"]
        parts = _parts(columns, [i for i in used if i not in keys], keys, widths, options.max_width)
        if parts is None:
            yield from _blocks(columns, texts, keys, used)
            return
        for number, part in enumerate(parts):
            if number:
                yield Text("")
            told = [row for row in texts if number == 0 or any(row[i].plain for i in part)]
            yield _table(columns, told, [*keys, *part], widths)


def _least_width(column: Column, cells: Sequence[Text]) -> int:
    """The width below which something of a column would be lost."""
    widest = max(cell_len(text) for text in (column.title, *(cell.plain for cell in cells)))
    if column.kind != "text":
        return widest
    word = max((cell_len(word) for cell in cells for word in cell.plain.split()), default=0)
    return min(widest, max(word, TEXT_WIDTH))


def _parts(
    columns: Sequence[Column], rest: Sequence[int], keys: Sequence[int], widths: dict[int, int], width: int
) -> list[list[int]] | None:
    """Which columns stand in which table; None where some would not fit even alone beside the keys."""
    taken = sum(widths[i] + GAP for i in keys) - GAP
    joined: list[list[int]] = []
    for i in rest:
        if columns[i].joined and joined:
            joined[-1].append(i)
        else:
            joined.append([i])
    parts: list[list[int]] = [[]]
    room = width - taken
    for group in joined or [[]]:
        needed = sum(widths[i] + GAP for i in group)
        if needed > width - taken:
            return None
        if needed > room:
            parts.append([])
            room = width - taken
        parts[-1] += group
        room -= needed
    return parts


def _table(
    columns: Sequence[Column], rows: Sequence[Sequence[Text]], part: Sequence[int], widths: dict[int, int]
) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for i in part:
        justify: Literal["right", "left"] = "right" if columns[i].kind == "figure" else "left"
        wraps = columns[i].kind == "text"
        table.add_column(columns[i].title, justify=justify, no_wrap=not wraps, overflow="fold", min_width=widths[i])
    for row in rows:
        table.add_row(*(row[i] for i in part))
    return table


def _blocks(
    columns: Sequence[Column], rows: Sequence[Sequence[Text]], keys: Sequence[int], used: Sequence[int]
) -> Iterator[Text]:
    """Each row as its keys and, indented, one line for each cell that says something."""
    for row in rows:
        yield _whole(Text(" ", style="bold").join(row[i] for i in keys))
        for i in used:
            if i not in keys and row[i].plain:
                yield _whole(Text.assemble(f"  {columns[i].title}: ", row[i]))


def _whole(text: Text) -> Text:
    """Longer than the width it stays one line, which the terminal wraps."""
    text.no_wrap, text.overflow = True, "ignore"
    return text

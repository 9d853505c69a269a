"""What `soak` found, for a person."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from edgeship.toolchain.report.bench import short_names
from edgeship.toolchain.report.format import share, size
from edgeship.toolchain.report.soak import Soak, Soaked
from edgeship.toolchain.report.terminal.console import count
from edgeship.toolchain.report.terminal.table import Column, FittedTable

BARS = "▁▂▃▄▅▆▇█"
MOST_BARS = 40
STYLES = {"steady": "green", "throttles": "bold red", "slower": "yellow", "too short": "yellow"}


def soak_view(found: Soak) -> Iterator[Text | FittedTable]:
    """A line per file; below it the course of its speed."""
    names = short_names([each.file for each in found.files])
    rows = [[name, *_cells(each)] for name, each in zip(names, found.files, strict=True)]
    figures = [Column(title, "figure") for title in ("first /s", "worst /s", "last /s", "last ÷ first", "°C", "memory")]
    yield FittedTable([Column("file", "key"), *figures, Column("notes", "text")], rows)
    yield Text("")
    if any(each.speed == "slower" for each in found.files):
        yield Text(
            "slower at the end, on a shared machine: that may be the others' work and is not called throttling", "dim"
        )
    for name, each in zip(names, found.files, strict=True):
        if len(each.per_second) > 1:
            yield Text(f"{name}  {bars(each.per_second)}", "dim")
    streams = count(found.streams, "stream")
    yield Text(
        f"{count(round(found.seconds), 'second')} in windows of {found.window_s:g} s, {streams}, threads "
        f"{found.threads}; memory after the first and the last of {count(found.rounds, 'load')}",
        "dim",
    )


def bars(values: list[float]) -> str:
    """At most MOST_BARS blocks, as high as the values are above 0."""
    step = max(1, -(-len(values) // MOST_BARS))
    means = [sum(part) / len(part) for part in (values[i : i + step] for i in range(0, len(values), step))]
    most = max(means) or 1.0
    return "".join(BARS[min(len(BARS) - 1, int(value / most * len(BARS)))] for value in means)


def _cells(each: Soaked) -> list[str | Text]:
    if each.error or each.last_to_first is None:
        return ["", "", "", "", "", "", each.error or ""]
    degrees = [value for _, value in each.degrees]
    held = f"{size(each.resident_bytes[0])} → {size(each.resident_bytes[-1])}" if each.resident_bytes else ""
    speeds = [f"{value:.4g}" for value in (each.per_second[0], min(each.per_second), each.per_second[-1])]
    leak = f", leaks {size(round(each.leak_bytes))} per load" if each.leak_bytes else ""
    note = Text(f"{each.speed}{leak}", "bold red" if leak else STYLES[each.speed or "too short"])
    heat = f"{min(degrees):.0f} to {max(degrees):.0f}" if degrees else ""
    return [*speeds, share(each.last_to_first), heat, held, note]

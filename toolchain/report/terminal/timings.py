"""Where a run's seconds went: a table of its pieces of work, those that took longest first."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from edgeship.toolchain.report.document import Report
from edgeship.toolchain.report.format import size
from edgeship.toolchain.report.terminal.table import Column, FittedTable
from edgeship.toolchain.timing import Timing

COLUMNS = [
    Column("work", "key"),
    Column("of", "key"),
    Column("seconds", "figure"),
    Column("CPU", "figure"),
    Column("waited", "figure"),
    Column("memory", "figure"),
    Column("parts", "text"),
]


def timings_view(report: Report) -> Iterator[Text | FittedTable]:
    """Each piece of work; then their sums by kind, and the run's own phases."""
    timings = sorted(report.timings, key=lambda timing: -timing.wall_s)
    yield Text("")
    yield FittedTable(COLUMNS, [_row(timing) for timing in timings])
    yield Text("")
    kinds = {work: sum(t.wall_s for t in timings if t.work == work) for work in {t.work for t in timings}}
    by_size = sorted(kinds.items(), key=lambda pair: -pair[1])
    cpu_s = sum(timing.cpu_s or 0 for timing in timings)
    told = ", ".join(f"{work} {seconds:.1f} s" for work, seconds in by_size)
    yield Text(f"work: {told or 'none: all was kept from earlier'}; {cpu_s:.1f} s of CPU in the workers")
    phases = ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in report.seconds.items())
    yield Text(f"from start to end: {phases}")


def _row(timing: Timing) -> list[str]:
    parts = sorted(timing.parts.items(), key=lambda pair: -pair[1])
    return [
        timing.work,
        timing.line,
        f"{timing.wall_s:.1f}",
        "" if timing.cpu_s is None else f"{timing.cpu_s:.1f}",
        f"{timing.waited_s:.1f}",
        size(timing.peak_bytes) if timing.peak_bytes else "",
        ", ".join(f"{name} {seconds:.1f}" for name, seconds in parts if seconds >= 0.05),
    ]

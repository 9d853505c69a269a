"""Latency call by call: a strip of thin marks for each execution, on one shared axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles

from edgeship.toolchain.report import format
from edgeship.toolchain.report.axes import axis
from edgeship.toolchain.report.document import Report
from edgeship.toolchain.report.marks import colours, name_of

WIDTH = 1000
FARTHEST = 3.0
"""The axis ends at the worst p95, and at this many times the slowest median at most; calls beyond lie at its end."""


@dataclass(frozen=True)
class Strip:
    """One execution: `calls` is an SVG path in a box of WIDTH × 16, `median` the place of the median in it."""

    name: str
    colour: int
    calls: str
    median: float
    title: str


@dataclass(frozen=True)
class Strips:
    """All of them; `ticks` are (percent from the left, text)."""

    rows: Sequence[Strip]
    ticks: Sequence[tuple[float, str]]


def strips(report: Report) -> Strips | None:
    """The strips by device and target, the fastest first; None where nothing was timed."""
    timed = [(line, e, e.timed) for line, e in report.rows if e and e.timed and len(e.timed.sample_ns) > 1]
    if not timed:
        return None
    order = {name: index for index, name in enumerate(report.timing)}
    colour = colours(report)
    timed.sort(key=lambda row: (order[row[1].device], report.targets.index(row[0].target), row[2].latency_ns["p50"]))
    low = min(min(measured.sample_ns) for _, _, measured in timed)
    # a few stalls of a shared machine must not squeeze everything else
    high = FARTHEST * max(measured.latency_ns["p50"] for _, _, measured in timed)
    high = min(high, max(quantiles(measured.sample_ns, n=20)[-1] for _, _, measured in timed))
    place = axis([low / 1e6, high / 1e6], 0, WIDTH)
    rows = []
    for line, execution, measured in timed:
        name = name_of(line, report) + (f" on {execution.device}" if len(report.timing) > 1 else "")
        median = measured.latency_ns["p50"]
        rows.append(
            Strip(
                name,
                colour[line.target],
                "".join(f"M{place(value / 1e6):.0f} 2v12" for value in measured.sample_ns),
                place(median / 1e6),
                f"{name}: median {format.milliseconds(median)} ms, {len(measured.sample_ns)} calls drawn",
            )
        )
    return Strips(rows, [(100 * place(tick) / WIDTH, f"{tick:.4g}") for tick in place.ticks])

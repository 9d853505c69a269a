"""The report's drawings: plain SVG that follows the page's colours and needs no script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 14, 44
SHAPES = ("circle", "square", "triangle", "diamond", "cross", "ring", "star", "bar")


@dataclass(frozen=True)
class Point:
    """One line of the report in a scatter plot; `series` picks the colour, `mark` the shape."""

    x: float
    y: float
    series: int
    mark: int
    label: str
    faded: bool = False


def scatter(points: Sequence[Point], x_label: str, y_label: str, log_x: bool = True) -> Markup:
    """A scatter plot; x on a logarithmic scale where the values span more than a factor of three."""
    if not points:
        return Markup("")
    xs, ys = [p.x for p in points], [p.y for p in points]
    log_x = log_x and min(xs) > 0 and max(xs) / min(xs) > 3
    x_ticks = log_ticks(min(xs), max(xs)) if log_x else linear_ticks(min(xs), max(xs))
    y_ticks = linear_ticks(min(ys), max(ys))
    x_of = Scale(x_ticks[0], x_ticks[-1], LEFT, WIDTH - RIGHT, log_x)
    y_of = Scale(y_ticks[0], y_ticks[-1], HEIGHT - BOTTOM, TOP, False)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(y_label)} against {escape(x_label)}">'
    ]
    for tick in y_ticks:
        y = y_of(tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_number(tick)}</text>')
    for tick in x_ticks:
        x = x_of(tick)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{_number(tick)}</text>'
        )
    parts.append(
        f'<text class="axis" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">'
        f"{escape(x_label)}</text>"
    )
    parts.append(
        f'<text class="axis" transform="translate(14 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" '
        f'text-anchor="middle">{escape(y_label)}</text>'
    )
    for point in points:
        faded = " faded" if point.faded else ""
        parts.append(
            f'<g class="s{point.series}{faded}" transform="translate({x_of(point.x):.1f} {y_of(point.y):.1f})">'
            f"<title>{escape(point.label)}</title>{shape(point.mark)}</g>"
        )
    parts.append("</svg>")
    return Markup("".join(parts))


def shape(index: int) -> str:
    """The mark of a variant, centred on the origin."""
    return {
        "circle": '<circle r="5"/>',
        "square": '<rect x="-4.5" y="-4.5" width="9" height="9"/>',
        "triangle": '<path d="M0-6 5.5 4.5H-5.5Z"/>',
        "diamond": '<path d="M0-6.5 6 0 0 6.5-6 0Z"/>',
        "cross": '<path d="M-5-2h3v-3h4v3h3v4h-3v3h-4v-3h-3Z"/>',
        "ring": '<circle r="4.5" fill="none" stroke="currentColor" stroke-width="2.5"/>',
        "star": '<path d="M0-7 2-2 7-2 3 1 4.5 6 0 3-4.5 6-3 1-7-2-2-2Z"/>',
        "bar": '<rect x="-2.5" y="-6" width="5" height="12"/>',
    }[SHAPES[index % len(SHAPES)]]


@dataclass(frozen=True)
class Strip:
    """The latency samples of one line, in milliseconds."""

    label: str
    samples: Sequence[float]
    median: float
    series: int


def strips(rows: Sequence[Strip]) -> Markup:
    """Every call as a thin mark, the median as a thick one; one shared logarithmic axis."""
    rows = [row for row in rows if row.samples]
    if not rows:
        return Markup("")
    height, left, width = 22, 190, 760
    low = min(min(row.samples) for row in rows)
    # a few stalls of a shared machine must not squeeze everything else: the axis ends at the worst row's p99
    high = max(sorted(row.samples)[min(len(row.samples) - 1, int(0.99 * len(row.samples)))] for row in rows)
    ticks = log_ticks(low, high)
    x_of = Scale(ticks[0], ticks[-1], left, width - 12, True)
    total = len(rows) * height + 34
    parts = [f'<svg class="wide" viewBox="0 0 {width} {total}" role="img" aria-label="latency distributions">']
    for tick in ticks:
        x = x_of(tick)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{total - 30}"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{total - 16}" text-anchor="middle">{_number(tick)}</text>')
    parts.append(f'<text class="axis" x="{(left + width) / 2}" y="{total - 2}" text-anchor="middle">ms per call</text>')
    for index, row in enumerate(rows):
        y = index * height + 3
        marks = "".join(f"M{x_of(min(s, ticks[-1])):.1f} {y}v{height - 8}" for s in row.samples)
        parts.append(f'<text class="label" x="{left - 8}" y="{y + 12}" text-anchor="end">{escape(row.label)}</text>')
        parts.append(f'<g class="s{row.series}"><path class="calls" d="{marks}"/>')
        parts.append(f'<path class="median" d="M{x_of(row.median):.1f} {y - 2}v{height - 4}"/>')
        parts.append(
            f"<title>{escape(row.label)}: median {row.median:.4g} ms, {len(row.samples)} calls drawn</title></g>"
        )
    parts.append("</svg>")
    return Markup("".join(parts))


def linear_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers that enclose [low, high]."""
    if math.isclose(low, high, rel_tol=1e-9, abs_tol=1e-12):
        pad = abs(low) * 0.05 or 1.0
        low, high = low - pad, high + pad
    step = 10 ** math.floor(math.log10((high - low) / count))
    step = next(step * factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= count)
    first = math.floor(low / step)
    return [round(step * i, 12) for i in range(first, math.ceil(high / step - 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten that enclose [low, high]; powers alone over wide ranges."""
    factors = (1, 2, 5) if high / low < 200 else (1,)
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    ticks = [factor * 10.0**decade for decade in decades for factor in factors]
    first = max(i for i, tick in enumerate(ticks) if tick <= low)
    last = min(i for i, tick in enumerate(ticks) if tick >= high)
    return ticks[first : max(last, first + 1) + 1]


class Scale:
    """Maps values to places between two ends."""

    def __init__(self, low: float, high: float, start: float, end: float, log: bool) -> None:
        self._log = log
        self._low, self._high = (math.log(low), math.log(high)) if log else (low, high)
        self._start, self._end = start, end

    def __call__(self, value: float) -> float:
        value = math.log(value) if self._log else value
        return self._start + (value - self._low) / (self._high - self._low) * (self._end - self._start)


def _number(value: float) -> str:
    return f"{value:.4g}"

"""Scatter plots with their Pareto front: plain SVG that follows the page's colours and needs no script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from markupsafe import Markup, escape

from edgeship.toolchain.report.axes import Axis, axis
from edgeship.toolchain.report.marks import shape

WIDTH, HEIGHT = 440, 320
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 12, 46
CHARACTER = 6.9
"""Width of one in the labels' font."""
LINE = 13
"""Height of a label."""


@dataclass(frozen=True)
class Point:
    """One execution; `colour` and `mark` as in edgeship.toolchain.report.marks, `title` is shown under the pointer."""

    x: float
    y: float
    colour: int
    mark: int
    name: str
    title: str
    passed: bool = True


@dataclass(frozen=True)
class Limit:
    """A line below which a file fails."""

    y: float
    text: str


@dataclass(frozen=True)
class Plot:
    """What is drawn; y above `ceiling` says nothing more and is drawn there."""

    points: Sequence[Point]
    x_label: str
    y_label: str
    limits: Sequence[Limit] = ()
    ceiling: float = math.inf
    at_ceiling: str = ""
    """How the tick there is called."""
    same: float = 0.0
    """A point that is better by no more than this is not better."""


def front(points: Sequence[Point], same: float = 0.0) -> list[Point]:
    """Those that passed and are better than all that are cheaper, by more than `same`; the cheapest first."""
    best, chosen = -math.inf, []
    for point in sorted((p for p in points if p.passed), key=lambda p: (p.x, -p.y)):
        if point.y > best + same:
            chosen.append(point)
            best = point.y
    return chosen


def scatter(plot: Plot) -> Markup:
    """The plot as SVG; its height is that of the points that passed, worse ones that failed lie at its lower edge."""
    points = [replace(point, y=min(point.y, plot.ceiling)) for point in plot.points]
    shown = [p for p in points if p.passed] or points
    if not shown:
        return Markup("")
    x_of = axis([p.x for p in points], LEFT, WIDTH - RIGHT)
    heights = [*(p.y for p in shown), *(limit.y for limit in plot.limits)]
    y_of = axis(heights, HEIGHT - BOTTOM, TOP, plot.ceiling, log=False)
    best = front(points, plot.same)
    places = [(x_of(p.x), y_of(p.y)) for p in points]
    corners = _stairs([(x_of(p.x), y_of(p.y)) for p in best])
    labels = Labels([Box(x - 6, y - 6, x + 6, y + 6) for x, y in places])
    labels.taken += [_around(*pair) for pair in pairwise(corners)]
    parts = [*_frame(plot, x_of, y_of), *(part for limit in plot.limits for part in _limit(limit, y_of, labels))]
    labels.taken += [_around((LEFT, y_of(limit.y)), (WIDTH - RIGHT, y_of(limit.y))) for limit in plot.limits]
    if corners:
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in corners)
        parts.append(f'<path class="front" d="M{path}"/>')
    for point, (x, y) in zip(points, places, strict=True):
        failed = "" if point.passed else " failed"
        parts.append(
            f'<g class="mark c{point.colour}{failed}" transform="translate({x:.1f} {y:.1f})">'
            f"<title>{escape(point.title)}</title>{shape(point.mark)}</g>"
        )
    parts += [labels.beside(x_of(p.x), y_of(p.y), p.name) for p in best]
    told = f"{plot.y_label} against {plot.x_label}; best: {', '.join(p.title for p in best)}"
    head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(told)}">'
    return Markup(head + "".join(parts) + "</svg>")


@dataclass(frozen=True)
class Box:
    """A taken place."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


@dataclass
class Labels:
    """Finds room for text among what is drawn already; text that finds none is left to the pointer."""

    taken: list[Box] = field(default_factory=list)

    def beside(self, x: float, y: float, text: str) -> str:
        """A label near a point, where it covers nothing."""
        width = len(text) * CHARACTER
        for anchor, at, top in (
            ("start", x + 9, y - 7), ("end", x - 9, y - 7), ("middle", x, y - 22), ("middle", x, y + 9),
            ("start", x + 7, y - 20), ("end", x - 7, y - 20), ("start", x + 7, y + 7), ("end", x - 7, y + 7),
        ):  # fmt: skip
            left = at - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
            box = Box(left, top, left + width, top + LINE)
            inside = box.left >= LEFT and box.right <= WIDTH and box.top >= 0 and box.bottom <= HEIGHT - BOTTOM
            if inside and not any(box.meets(other) for other in self.taken):
                self.taken.append(box)
                place = f'x="{at:.1f}" y="{top + 11:.1f}" text-anchor="{anchor}"'
                return f'<text class="label" {place}>{escape(text)}</text>'
        return ""


def _frame(plot: Plot, x_of: Axis, y_of: Axis) -> list[str]:
    """Grid, ticks and the names of both axes."""
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for tick in y_of.ticks:
        y, text = y_of(tick), plot.at_ceiling if plot.at_ceiling and tick >= plot.ceiling else f"{tick:.5g}"
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(text)}</text>')
    for tick in x_of.ticks:
        x = x_of(tick)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{bottom + 17}" text-anchor="middle">{tick:.4g}</text>')
    middle, height = (LEFT + right) / 2, (TOP + bottom) / 2
    parts.append(f'<text class="axis" x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(plot.x_label)}</text>')
    turned = f'transform="translate(13 {height}) rotate(-90)" text-anchor="middle"'
    parts.append(f'<text class="axis" {turned}>{escape(plot.y_label)}</text>')
    return parts


def _limit(limit: Limit, y_of: Axis, labels: Labels) -> list[str]:
    """The line and, above or below it where there is room, as far right as can be, its text."""
    y, right = y_of(limit.y), WIDTH - RIGHT
    line = f'<line class="limit" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
    width = len(limit.text) * CHARACTER
    for end in range(right - 2, math.ceil(LEFT + width), -12):
        for top in (y - LINE - 2, y + 2):
            box = Box(end - width, top, end, top + LINE)
            if box.bottom <= HEIGHT - BOTTOM + 2 and not any(box.meets(other) for other in labels.taken):
                labels.taken.append(box)
                place = f'x="{end}" y="{top + 11:.1f}" text-anchor="end"'
                return [line, f'<text class="limit" {place}>{escape(limit.text)}</text>']
    return [line]


def _stairs(places: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The border of what can be had: up from the cheapest, then right and up from each point to the next."""
    corners, height = [], float(HEIGHT - BOTTOM)
    for x, y in places:
        corners += [(x, height), (x, y)]
        height = y
    return [*corners, (float(WIDTH - RIGHT), height)] if corners else []


def _around(start: tuple[float, float], end: tuple[float, float]) -> Box:
    """The place a straight piece of line takes."""
    (left, right), (top, bottom) = sorted((start[0], end[0])), sorted((start[1], end[1]))
    return Box(left - 1, top - 1, right + 1, bottom + 1)

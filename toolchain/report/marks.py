"""How lines are told apart in drawings and legends: a colour for each target, a shape for each variant."""

from __future__ import annotations

from markupsafe import Markup

from edgeship.toolchain.report.document import Report, ReportLine

COLOURS = 8
"""How many the page's style has."""
SHAPES = (
    '<circle r="5"/>',
    '<rect x="-4.5" y="-4.5" width="9" height="9"/>',
    '<path d="M0-6 5.5 4.5H-5.5Z"/>',
    '<path d="M0-6.5 6 0 0 6.5-6 0Z"/>',
    '<path d="M-5-2h3v-3h4v3h3v4h-3v3h-4v-3h-3Z"/>',
    '<path d="M0 6 5.5-4.5H-5.5Z"/>',
    '<path d="M0-7 2-2 7-2 3 1 4.5 6 0 3-4.5 6-3 1-7-2-2-2Z"/>',
    '<rect x="-2.5" y="-6" width="5" height="12"/>',
)


def shape(index: int) -> Markup:
    """SVG centred on the origin."""
    return Markup(SHAPES[index % len(SHAPES)])


def variant_of(line: ReportLine, report: Report) -> str:
    """The variant's name, with the model's where there are several."""
    return f"{line.model} {line.variant}" if len(report.models) > 1 else line.variant


def name_of(line: ReportLine, report: Report) -> str:
    """A line's name for a person."""
    return f"{variant_of(line, report)} → {line.target}"


def colours(report: Report) -> dict[str, int]:
    """The colour of each target."""
    return {name: index % COLOURS for index, name in enumerate(report.targets)}


def shapes(report: Report) -> dict[str, int]:
    """The shape of each variant, of each model where there are several."""
    names = dict.fromkeys(variant_of(line, report) for line in report.lines)
    return {name: index for index, name in enumerate(names)}

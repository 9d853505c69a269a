"""Report to report.html: one offline file for a person, what to ship and whether it can be trusted first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeship.toolchain.report import format
from edgeship.toolchain.report.cards import cards
from edgeship.toolchain.report.counting import DOES_NOT_SAY, SAYS, counting
from edgeship.toolchain.report.document import Report, ReportLine
from edgeship.toolchain.report.downloads import downloads
from edgeship.toolchain.report.figures import shown
from edgeship.toolchain.report.marks import COLOURS, colours, name_of, shape, shapes, variant_of
from edgeship.toolchain.report.method import conditions, limits
from edgeship.toolchain.report.pareto import against_latency, against_size, quality
from edgeship.toolchain.report.plots import scatter
from edgeship.toolchain.report.strips import strips

OUTCOMES = {
    "pass": ("✓", "pass"),
    "fail": ("✗", "fail"),
    "failed": ("✗", "not made"),
    "unverifiable": ("?", "unverifiable"),
    "not-executed": ("–", "not executed"),
    "unsupported": ("·", "unsupported"),
}
"""Every outcome's sign and words, the order in which they are counted."""


def write_html(report: Report, path: Path) -> Path:
    """Write the page; its links are relative to the run directory."""
    path.write_text(render(report), encoding="utf-8")
    return path


def render(report: Report) -> str:
    """The page: no script is needed to read it and nothing is fetched."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "size": format.size,
        "ms": format.milliseconds,
        "db": format.decibel,
        "ratio": format.ratio,
        "share": format.share,
        "number": format.number,
        "shape": lambda sizes: "×".join(map(str, sizes)),
    }
    return environment.get_template("report.html.j2").render(**_view(report))


def _view(report: Report) -> dict[str, Any]:
    metrics = [e.metric for _, e in report.rows if e and e.metric]
    return {
        "report": report,
        "outcomes": OUTCOMES,
        "counts": report.counts,
        "several_models": len(report.models) > 1,
        "several_devices": len(report.devices) > 1,
        "several_timing": len(report.timing) > 1,
        "budget_value": shown,
        "counting": counting(report),
        "counting_says": SAYS,
        "counting_does_not_say": DOES_NOT_SAY,
        "metric": metrics[0].name if metrics else None,
        "most_samples": max((metric.samples for metric in metrics), default=0),
        "name_of": lambda line: name_of(line, report),
        "variant_of": lambda line: variant_of(line, report),
        "cards": cards(report),
        "downloads": downloads(report),
        "own_warnings": _by_text(report),
        "colours": colours(report),
        "palette": range(COLOURS),
        "marks": {name: shape(index) for name, index in shapes(report).items()},
        "latency_figures": [(scatter(figure.plot), figure.device) for figure in against_latency(report)],
        "size_figures": [(scatter(figure.plot), figure.device) for figure in against_size(report)],
        "quality_note": quality(report).note,
        "strips": strips(report),
        "limits": limits(report),
        "conditions": conditions(report),
        "bad": [line for line in report.lines if line.bad],
        "unverifiable": [line for line in report.lines if line.verdict == "unverifiable"],
        "idle": [line for line in report.lines if line.outcome in ("unsupported", "not-executed")],
        "by_reference": any(e.executed_by and "reference" in e.executed_by for _, e in report.rows if e),
        "flags_of": _flags,
    }


def _by_text(report: Report) -> dict[str, list[str]]:
    """What single lines warn of, each text once with the lines it is said of."""
    found: dict[str, list[str]] = {}
    for name, text in report.own_warnings:
        found.setdefault(text, []).append(name)
    return found


def _flags(line: ReportLine) -> list[str]:
    """`slower than float`, each once."""
    flags = dict.fromkeys([*line.flags, *(flag for e in line.executions for flag in e.flags)])
    return [flag.replace("-", " ") for flag in flags]

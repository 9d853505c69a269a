"""Run directory to report.html: one offline file for a person, the verdict first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgeship.toolchain.judge.limits import THRESHOLDS
from edgeship.toolchain.report import format, plots
from edgeship.toolchain.report.document import Execution, Report, ReportLine


def write_html(report: Report, path: Path) -> Path:
    """Write the page; its links are relative to the run directory."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"size": format.size, "ms": format.milliseconds, "db": format.decibel, "ratio": format.ratio}
    environment.tests["search"] = lambda text, part: part in text
    path.write_text(environment.get_template("report.html.j2").render(**_view(report)))
    return path


def _view(report: Report) -> dict[str, Any]:
    metrics = [e.metric for line in report.lines for e in line.executions if e.metric]
    metric, most = (metrics[0].name, max(found.samples for found in metrics)) if metrics else (None, 0)
    plotted, y_label = _y_axis(report, metric, most)
    return {
        "report": report,
        "metric": metric,
        "max_metric_drop": report.max_metric_drop,
        "most_samples": most,
        "pairs": report.rows,
        "bad": [line for line in report.lines if line.bad],
        "unsupported": [line for line in report.lines if line.status == "unsupported"],
        "unverifiable": [line for line in report.lines if line.verdict == "unverifiable"],
        "not_executed": [line for line in report.lines if line.verdict == "not-executed"],
        "passed": [line for line in report.lines if line.verdict == "pass"],
        "flagged": [line for line in report.lines if line.verdict == "pass" and _flags(line)],
        "flags_of": _flags,
        "series": {name: index for index, name in enumerate(report.targets)},
        "marks": {name: index for index, name in enumerate(_variants(report))},
        "shape": plots.shape,
        "thresholds": THRESHOLDS,
        "against_latency": plots.scatter(_points(report, _latency_ms, plotted, most), "median latency, ms", y_label),
        "against_size": plots.scatter(_points(report, _size_mb, plotted, most), "file size, MB", y_label),
        "strips": plots.strips(_strips(report)),
        "name_of": name_of,
        "variant_of": _variant,
    }


def name_of(line: ReportLine, several: bool) -> str:
    """A line's name for a person."""
    model = f"{line.model} " if several else ""
    return f"{model}{line.variant} → {line.target}"


def _variants(report: Report) -> list[str]:
    """What the marks tell apart: variants, of each model where there are several."""
    return list(dict.fromkeys(_variant(line, report) for line in report.lines))


def _variant(line: ReportLine, report: Report) -> str:
    return f"{line.model} {line.variant}" if len(report.models) > 1 else line.variant


def _y_axis(report: Report, metric: str | None, most: int) -> tuple[str | None, str]:
    """What the plots show upwards and how it is called: the task metric if it tells lines apart, else (None) SQNR."""
    sqnr = "SQNR against float, dB"
    if metric is None:
        return None, sqnr
    figures = {_quality(line, metric, most) for line in report.lines} - {None}
    if len(figures) == 1:  # all points on one line would show nothing
        return None, f"{sqnr} ({metric} is {figures.pop():.4g}% for all)"
    return metric, f"{metric}, %"


def _points(
    report: Report, cost: Callable[[ReportLine], float | None], metric: str | None, most: int
) -> list[plots.Point]:
    marks = {name: index for index, name in enumerate(_variants(report))}
    points = []
    for line in report.lines:
        x, y = cost(line), _quality(line, metric, most)
        if x is None or y is None:
            continue
        label = f"{name_of(line, len(report.models) > 1)}: {y:.4g}, {x:.4g}" + (
            " (fails)" if line.verdict == "fail" else ""
        )
        mark = marks[_variant(line, report)]
        points.append(plots.Point(x, y, report.targets.index(line.target), mark, label, line.verdict == "fail"))
    return points


def _flags(line: ReportLine) -> list[str]:
    return list(dict.fromkeys([*line.flags, *(flag for e in line.executions for flag in e.flags)]))


def _latency_ms(line: ReportLine) -> float | None:
    timed = line.first and line.first.timed
    return timed.latency_ns["p50"] / 1e6 if timed else None


def _size_mb(line: ReportLine) -> float | None:
    return line.artifact.size_bytes / 1e6 if line.artifact and line.executions else None


def _quality(line: ReportLine, metric: str | None, most: int) -> float | None:
    """The task metric in percent where there is one, else the SQNR to the float model, on the first device.

    A metric of fewer samples than the others' (an interpreter's) does not stand beside them.
    """
    judged: Execution | None = line.first
    if metric:
        return 100 * judged.metric.artifact if judged and judged.metric and judged.metric.samples == most else None
    return judged.parity_float.sqnr_db if judged and judged.parity_float else None


def _strips(report: Report) -> list[plots.Strip]:
    rows = []
    for line in report.lines:
        for execution in line.executions:
            if (measured := execution.timed) and measured.sample_ns:
                rows.append(
                    plots.Strip(
                        name_of(line, len(report.models) > 1)
                        + (f" on {execution.device}" if len(report.devices) > 1 else ""),
                        [value / 1e6 for value in measured.sample_ns],
                        measured.latency_ns["p50"] / 1e6,
                        report.targets.index(line.target),
                    )
                )
    return sorted(rows, key=lambda row: (row.series, row.median))

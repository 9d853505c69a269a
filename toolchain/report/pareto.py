"""What a report's plots show: which figure goes upwards, its limits, and a point for each execution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgeship.toolchain.quant import parse
from edgeship.toolchain.report import format
from edgeship.toolchain.report.compare import SAME_SQNR_DB
from edgeship.toolchain.report.document import Execution, Report, ReportLine
from edgeship.toolchain.report.marks import colours, name_of, shapes, variant_of
from edgeship.toolchain.report.plots import Limit, Plot, Point

SQNR_CEILING_DB = 100.0
"""Files that differ by less than this from the float model differ in the last digits of float32 only."""
FEW_LIMITS = 3
LONGEST = 14
"""Letters of a name beside a point."""


@dataclass(frozen=True)
class Figure:
    """One plot, and for whom where there are several devices."""

    plot: Plot
    device: str | None


@dataclass(frozen=True)
class Quality:
    """The figure that goes upwards: the task metric in percent, or the SQNR to the float model in decibel."""

    metric: str | None
    label: str
    note: str = ""
    """Why it is not the metric."""
    samples: int = 0
    """A metric of fewer samples than the others' (an interpreter's) does not stand beside them."""

    def of(self, execution: Execution) -> float | None:
        """Its value, None where it is not known."""
        if self.metric is None:
            return execution.parity_float.sqnr_db if execution.parity_float else None
        found = execution.metric
        return 100 * found.artifact if found and found.samples == self.samples else None

    def told(self, value: float) -> str:
        """The value for a person."""
        return f"{self.metric} {value:.2f}%" if self.metric else f"SQNR {format.decibel(value)}"


def quality(report: Report) -> Quality:
    """The task metric where it tells files that pass apart beyond its sampling error, else SQNR."""
    sqnr = "SQNR to the float model, dB"
    found = [e.metric for _, e in report.rows if e and e.metric and e.verdict == "pass"]
    if not found:
        return Quality(None, sqnr)
    most = max(metric.samples for metric in found)
    full = [metric for metric in found if metric.samples == most]
    values = [metric.artifact for metric in full]
    error = min((metric.interval[1] - metric.interval[0]) / 2 for metric in full)
    if max(values) - min(values) > error:
        return Quality(full[0].name, f"{full[0].name}, %", samples=most)
    low, high = format.share(min(values)), format.share(max(values))
    same = low if low == high else f"{low} to {high}"
    note = f"{full[0].name} is {same} for all that pass: within its sampling error of each other"
    return Quality(None, sqnr, note)


def against_latency(report: Report) -> list[Figure]:
    """A plot for each device that timed anything."""
    figures = []
    for device in report.timing:
        points = _points(report, device, lambda line, e: e.timed.latency_ns["p50"] / 1e6 if e.timed else None, "ms")
        if points:
            figures.append(Figure(_plot(report, points, "median latency, ms"), _several(report, device)))
    return figures


def against_size(report: Report) -> list[Figure]:
    """One plot: a file is as large on every device; its quality is that on the first one."""
    for device in report.timing:
        points = _points(
            report, device, lambda line, e: line.artifact.size_bytes / 1e6 if line.artifact else None, "MB"
        )
        if points:
            unit = 1e3 if max(point.x for point in points) < 1 else 1
            scaled = [Point(p.x * unit, p.y, p.colour, p.mark, p.name, p.title, p.passed) for p in points]
            label = "file size, kB" if unit > 1 else "file size, MB"
            return [Figure(_plot(report, scaled, label), _several(report, device))]
    return []


def _several(report: Report, device: str) -> str | None:
    return device if len(report.timing) > 1 else None


def _plot(report: Report, points: list[Point], x_label: str) -> Plot:
    shown = quality(report)
    if shown.metric:
        return Plot(points, x_label, shown.label, _metric_limits(report, shown), ceiling=100.0)
    ceiling = f"≥ {SQNR_CEILING_DB:g}"
    return Plot(points, x_label, shown.label, _sqnr_limits(report), SQNR_CEILING_DB, ceiling, SAME_SQNR_DB)


def _points(
    report: Report, device: str, cost: Callable[[ReportLine, Execution], float | None], unit: str
) -> list[Point]:
    shown, colour, mark, points = quality(report), colours(report), shapes(report), []
    for line, execution in report.rows:
        if execution is None or execution.device != device:
            continue
        x, y = cost(line, execution), shown.of(execution)
        if not x or y is None:
            continue
        failed = "" if execution.verdict == "pass" else f" ({execution.verdict})"
        title = f"{name_of(line, report)}: {shown.told(y)}, {x:.3g} {unit}{failed}"
        shape, passed = mark[variant_of(line, report)], execution.verdict == "pass"
        points.append(Point(x, y, colour[line.target], shape, _label(line, report), title, passed))
    return points


def _label(line: ReportLine, report: Report) -> str:
    """A name that finds room beside a point; colour and shape tell the rest."""
    names = (line.model, line.variant) if len(report.models) > 1 else (line.variant, line.target)
    return " · ".join(_short(name) for name in names)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _metric_limits(report: Report, shown: Quality) -> list[Limit]:
    """The float model's figure less what may be lost; several models have several."""
    floats = {
        (line.model, e.metric.float_value)
        for line, e in report.rows
        if e and e.metric and e.metric.samples == shown.samples
    }
    drop = f"float − {100 * report.max_metric_drop:g} points"
    limits = []
    for model, value in sorted(floats)[:FEW_LIMITS]:
        name = _short(model) if len(report.models) > 1 else drop
        limits.append(Limit(100 * (value - report.max_metric_drop), f"limit: {name}"))
    return limits


def _sqnr_limits(report: Report) -> list[Limit]:
    """The limits that were judged by, the lowest first, each with the numbers it is for."""
    found: dict[float, dict[str, None]] = {}
    for line, e in report.rows:
        if e and e.threshold and not line.changes_model:
            spec = parse(line.spec)
            found.setdefault(e.threshold.float_db, {})[spec.scheme + (" mixed" if spec.parts else "")] = None
    limits = []
    for value, specs in sorted(found.items())[:FEW_LIMITS]:
        names = ", ".join(list(specs)[:2]) + (", …" if len(specs) > 2 else "")
        limits.append(Limit(value, f"limit {value:g} dB: {names}"))
    return limits

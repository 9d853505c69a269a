"""The figures of a line by the names that budgets and the history give them, units included."""

from __future__ import annotations

from edgeship.toolchain.report.document import Execution, ReportLine
from edgeship.toolchain.report.format import milliseconds, number, share, size

Figure = tuple[float, tuple[float, float] | None] | None
"""A value with its interval, where it has one; None where it is not known."""


def of_file(line: ReportLine, figure: str) -> Figure:
    """What no device changes: size_bytes, planned_bytes."""
    if line.artifact is None:
        return None
    value = line.artifact.size_bytes if figure == "size_bytes" else line.artifact.details.get("planned_bytes")
    return None if value is None else (float(value), None)


def of_execution(execution: Execution, figure: str) -> Figure:
    """What was found on one device."""
    metric, timed = execution.metric, execution.timed
    if figure in ("metric", "metric_at_least"):
        return (metric.artifact, metric.interval) if metric else None
    if figure == "metric_drop":
        return (metric.float_value - metric.artifact, None) if metric else None
    if figure == "instructions":
        return (float(execution.instructions.total), None) if execution.instructions else None
    if timed is None:
        return None
    if figure == "peak_rss_bytes":
        return None if timed.peak_rss_bytes is None else (float(timed.peak_rss_bytes), None)
    if figure == "cold_start_ms":
        total = timed.cold_ns.get("total")
        return None if total is None else (total / 1e6, None)
    interval = timed.p50_interval_ns
    return timed.latency_ns["p50"] / 1e6, interval and (interval[0] / 1e6, interval[1] / 1e6)


def shown(figure: str, value: float) -> str:
    """A value of this figure as a person reads it."""
    if figure.endswith("_bytes"):
        return size(value)
    if figure.endswith("_ms"):
        return f"{milliseconds(value * 1e6)} ms"
    return number(value) if figure == "instructions" else share(value)

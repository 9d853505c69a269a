"""The recipe's budgets against what a run found: every figure that has a limit, met or not, or not known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgeship.toolchain.recipe.budgets import OF_FILE, Budget
from edgeship.toolchain.report.document import BudgetVerdict, Execution, Finding, ReportLine
from edgeship.toolchain.report.format import milliseconds, number, share, size

Figure = tuple[float, tuple[float, float] | None] | None
"""A value with its interval, where it has one; None where it is not known."""


def findings(budgets: Sequence[Budget], lines: Sequence[ReportLine], counting: Sequence[str]) -> list[Finding]:
    """One for each limit of each line, and of each device that has the figure; `counting` are the emulated cores."""
    found = [
        finding
        for budget in budgets
        for line in lines
        if line.status != "unsupported" and _is_of(budget, line)
        for figure, limit in budget.limits.items()
        for finding in _of_figure(budget, line, figure, limit, counting)
    ]
    worst: dict[tuple[str, str | None, str, bool], Finding] = {}
    for one in found:  # of two limits of one figure the narrower one counts
        key = (one.line, one.device, one.figure, one.at_least)
        other = worst.get(key)
        if other is None or (one.limit > other.limit if one.at_least else one.limit < other.limit):
            worst[key] = one
    return list(worst.values())


def shown(finding: Finding, value: float) -> str:
    """A value of this figure as a person reads it."""
    if finding.figure.endswith("_bytes"):
        return size(value)
    if finding.figure.endswith("_ms"):
        return f"{milliseconds(value * 1e6)} ms"
    return number(value) if finding.figure == "instructions" else share(value)


def _is_of(budget: Budget, line: ReportLine) -> bool:
    chosen = ((budget.model, line.model), (budget.variant, line.variant), (budget.target, line.target))
    return all(wanted in (None, own) for wanted, own in chosen)


def _of_figure(
    budget: Budget, line: ReportLine, figure: str, limit: float, counting: Sequence[str]
) -> Iterator[Finding]:
    if figure in OF_FILE:
        yield _judged(line, None, figure, limit, _of_file(line, figure))
        return
    for execution in line.executions or (None,):
        device = execution.device if execution else budget.device
        if budget.device not in (None, device):
            continue
        counted = device in counting
        if figure.startswith("metric") or counted == (figure == "instructions"):
            yield _judged(line, device, figure, limit, _of_execution(execution, figure) if execution else None)


def _of_file(line: ReportLine, figure: str) -> Figure:
    if line.artifact is None:
        return None
    value = line.artifact.size_bytes if figure == "size_bytes" else line.artifact.details.get("planned_bytes")
    return None if value is None else (float(value), None)


def _of_execution(execution: Execution, figure: str) -> Figure:
    metric, timed = execution.metric, execution.timed
    if figure == "metric_at_least":
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


def _judged(line: ReportLine, device: str | None, figure: str, limit: float, found: Figure) -> Finding:
    """Where the interval holds the limit, a latency is neither met nor exceeded."""
    at_least = figure == "metric_at_least"
    verdict: BudgetVerdict = "unknown"
    if found is not None:
        value, interval = found
        low, high = interval if interval and figure == "latency_p50_ms" else (value, value)
        verdict = "met" if (low >= limit if at_least else high <= limit) else "exceeded"
        if low <= limit < high and not at_least:
            verdict = "inconclusive"
    return Finding(
        line=line.name,
        device=device,
        figure=figure,
        at_least=at_least,
        limit=limit,
        value=found[0] if found else None,
        interval=found[1] if found else None,
        verdict=verdict,
    )

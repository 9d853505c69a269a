"""The recipe's budgets against what a run found: every figure that has a limit, met or not, or not known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgeship.toolchain.recipe.budgets import OF_FILE, Budget
from edgeship.toolchain.report.document import BudgetVerdict, Finding, ReportLine
from edgeship.toolchain.report.figures import Figure, of_execution, of_file


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


def _is_of(budget: Budget, line: ReportLine) -> bool:
    chosen = ((budget.model, line.model), (budget.variant, line.variant), (budget.target, line.target))
    return all(wanted in (None, own) for wanted, own in chosen)


def _of_figure(
    budget: Budget, line: ReportLine, figure: str, limit: float, counting: Sequence[str]
) -> Iterator[Finding]:
    if figure in OF_FILE:
        yield _judged(line, None, figure, limit, of_file(line, figure))
        return
    for execution in line.executions or (None,):
        device = execution.device if execution else budget.device
        if budget.device not in (None, device):
            continue
        counted = device in counting
        if figure.startswith("metric") or counted == (figure == "instructions"):
            yield _judged(line, device, figure, limit, of_execution(execution, figure) if execution else None)


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

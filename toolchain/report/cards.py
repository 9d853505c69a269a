"""What to ship: for each model and target the recommended file, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass

from edgeship.toolchain.report.document import Report, ReportLine

NO_FILE = {
    "fail": "fail",
    "failed": "could not be made",
    "unverifiable": "cannot be verified",
    "not-executed": "not executed on any device",
    "unsupported": "unsupported by this runtime",
}


@dataclass(frozen=True)
class Card:
    """One model on one target; without a `line` nothing is to be shipped, `why` says in both cases."""

    model: str
    target: str
    line: ReportLine | None
    why: str


def cards(report: Report) -> list[Card]:
    """One card for each model and target of the recipe, those with a file to ship first."""
    made = []
    over = {finding.line for finding in report.budgets if finding.verdict == "exceeded"}
    for model in report.models:
        for target in report.targets:
            lines = [line for line in report.lines if (line.model, line.target) == (model.name, target)]
            if lines:
                best = next((line for line in lines if line.recommended), None)
                made.append(Card(model.name, target, best, _chosen(best, lines, over) if best else _none(lines, over)))
    return sorted(made, key=lambda card: card.line is None)


def _chosen(best: ReportLine, lines: list[ReportLine], over: set[str]) -> str:
    every = [line.name for line in lines if line.verdict == "pass"]
    passed = sum(name not in over for name in every)
    within = "" if passed == len(every) else " within its budgets"
    if passed == 1:
        return f"the only one that passes{within}"
    timed = next((e.device for e in best.executions if e.timed), None)
    return (
        f"the fastest of {passed} that pass{within}"
        if timed
        else f"the smallest of {passed} that pass{within}; none was timed"
    )


def _none(lines: list[ReportLine], over: set[str]) -> str:
    """`2 fail, 1 could not be made, 1 over a budget`."""
    counts = {NO_FILE[outcome]: sum(line.outcome == outcome for line in lines) for outcome in NO_FILE}
    counts["over a budget"] = sum(line.verdict == "pass" and line.name in over for line in lines)
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)

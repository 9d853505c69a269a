"""The result of a run: its table, the files to ship, what was found wrong, warned of and assumed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.text import Text

from edgeship.toolchain.artifact import ConstantsAudit
from edgeship.toolchain.report.document import Execution, Report, ReportLine
from edgeship.toolchain.report.format import decibel, milliseconds, ratio, share, size
from edgeship.toolchain.report.terminal.budgets import budgets_view
from edgeship.toolchain.report.terminal.console import count
from edgeship.toolchain.report.terminal.counted import counted_view
from edgeship.toolchain.report.terminal.table import Cell, Column, FittedTable

HEADLINES = {"good": "green", "bad": "bold red", "unproven": "yellow"}
STYLES = {
    "pass": "green",
    "fail": "bold red",
    "failed": "bold red",
    "unsupported": "dim",
    "unverifiable": "yellow",
    "not-executed": "yellow",
}


def report_view(report: Report) -> Iterator[Text | FittedTable]:
    """The table with one row for each device of each line, and below it what is said of the whole."""
    metrics = list(dict.fromkeys(e.metric.name for _, e in report.rows if e and e.metric))
    common = _common_flags(report)
    rows = [_row(report, line, execution, metrics, common) for line, execution in report.rows]
    yield FittedTable(_columns(report, metrics), rows)
    yield Text("")
    yield from counted_view(report)
    yield from budgets_view(report)
    for text in (*_conditions(report, common), *_constants(report)):
        yield Text(text, "dim")
    for line in report.lines:
        if line.recommended:
            yield from _recommended(report, line)
    for line in report.lines:
        if line.bad or line.verdict == "unverifiable":
            yield Text(f"{line.outcome}: {line.name}: {'; '.join(line.reasons)}", STYLES[line.outcome])
            if line.hint:
                yield Text(f"  hint: {line.hint}")
    for device, reason in report.not_reached.items():
        yield Text(f"not reached: device {device}: {reason}", "bold red")
    for text in (*report.warnings, *(f"{name}: {text}" for name, text in report.own_warnings)):
        yield Text(f"warning: {text}", "yellow")
    counts = ", ".join(f"{number} {name}" for name, number in sorted(report.counts.items()))
    yield Text(f"{count(len(report.lines), 'line')}: {counts}")
    kind, headline = report.headline
    yield Text(headline, HEADLINES[kind])


def _columns(report: Report, metrics: list[str]) -> list[Column]:
    """In the order of their importance; a narrow terminal shows the last ones in a further table."""
    return [
        *([Column("model", "key")] if len(report.models) > 1 else []),
        Column("variant", "key"),
        Column("target", "key"),
        *([Column("device", "key")] if len(report.timing) > 1 else []),
        Column("verdict"),
        *(Column(metric, "figure") for metric in metrics),
        Column("size", "figure"),
        Column("÷ float", "figure", joined=True),
        Column("p50 ms", "figure"),
        Column("÷ float", "figure", joined=True),
        Column("SQNR", "figure"),
        Column("to program", "figure", joined=True),
        Column("peak", "figure"),
        Column("notes", "text"),
    ]


def _row(
    report: Report, line: ReportLine, execution: Execution | None, metrics: list[str], common: list[str]
) -> list[Cell]:
    cells: list[Cell] = [line.model] if len(report.models) > 1 else []
    cells += [line.variant, line.target]
    cells += [execution.device if execution else ""] if len(report.timing) > 1 else []
    outcome = execution.verdict if execution else line.outcome
    timed = execution.timed if execution else None
    faster = execution.latency_ratio if execution else None
    return [
        *cells,
        Text(outcome, STYLES[outcome]) if outcome in STYLES else outcome,
        *(_metric(report, execution, metric) for metric in metrics),
        size(line.artifact.size_bytes) if line.artifact else "",
        Text(ratio(line.size_ratio) if line.size_ratio else "", "yellow" if line.flags else ""),
        milliseconds(timed.latency_ns["p50"]) if timed else "",
        Text(ratio(faster) if faster else "", "yellow" if execution and execution.flags else ""),
        decibel(execution.parity_float.sqnr_db) if execution and execution.parity_float else "",
        _to_program(execution),
        size(timed.peak_rss_bytes) if timed and timed.peak_rss_bytes else "",
        ", ".join(_notes(report, line, execution, common)),
    ]


def _to_program(execution: Execution | None) -> str:
    """`48.0 dB (floor 52.1)`: beside it what the program reaches against itself, or that the limit is a fixed one."""
    if execution is None or execution.parity is None or execution.threshold is None:
        return ""
    floor = execution.threshold.floor_db
    return f"{decibel(execution.parity.sqnr_db)} ({'fixed' if floor is None else f'floor {floor:.3g}'})"


def _metric(report: Report, execution: Execution | None, name: str) -> str:
    """The artifact's figure, and of how many samples where others were judged on more."""
    if execution is None or execution.metric is None or execution.metric.name != name:
        return ""
    few = execution.metric.samples < _most_samples(report, name)
    return share(execution.metric.artifact) + (f" of {execution.metric.samples}" if few else "")


def _most_samples(report: Report, name: str) -> int:
    return max(e.metric.samples for _, e in report.rows if e and e.metric and e.metric.name == name)


def _notes(report: Report, line: ReportLine, execution: Execution | None, common: list[str]) -> Iterator[str]:
    """What a reader of one row's figures must know."""
    if execution is None:
        if line.status == "unsupported" and line.reason:
            yield line.reason
        return
    yield from (flag.replace("-", " ") for flag in (*line.flags, *execution.flags))
    if execution.slower_because:
        yield execution.slower_because
    if line.dominated_by:
        yield f"no better than {line.dominated_by}"
    if (judged := execution.metric) and judged.samples < _most_samples(report, judged.name):
        yield f"float {share(judged.float_value)} on the same {judged.samples}"
    if execution.executed_by and "reference" in execution.executed_by:
        yield "by reference evaluation"
    if execution.verdict == "not-executed":
        yield from execution.reasons
    if execution.verdict == "unverifiable":
        spread = "" if execution.spread is None else f" outputs vary by {execution.spread:.1g} of their size"
        yield f"untrained?{spread}"
    if execution.not_measured and execution.not_measured not in execution.reasons:
        yield f"not measured: {execution.not_measured}"
    yield from dict.fromkeys(note for measured in execution.measurements for note in measured.notes)
    if timed := execution.timed:
        yield from (flag for flag in timed.flags if flag not in common)


def _common_flags(report: Report) -> list[str]:
    """The flags that every measurement of the table has."""
    timed = [set(e.timed.flags) for _, e in report.rows if e and e.timed]
    return sorted(set.intersection(*timed)) if timed else []


def _conditions(report: Report, common: list[str]) -> Iterator[str]:
    """How the figures of the table were measured; nothing where nothing was."""
    shown = [(line, e.timed) for line, e in report.rows if e and e.timed]
    if not shown:
        return
    if report.quick:
        yield "quick measurement: one launch each, figures compare within this run only"
    first = shown[0][1]
    configurations = {(m.threads, m.batch) for _, e in report.rows if e for m in e.measurements}
    others = sorted(configurations - {(first.threads, first.batch)})
    more = "; the HTML report also has " + ", ".join(f"threads {t}, batch {b}" for t, b in others) if others else ""
    yield f"measured with threads {first.threads}, batch {first.batch}{more}"
    if common:
        yield f"flags of all measurements: {', '.join(common)}"
    shapes: dict[str, dict[str, None]] = {}
    for line, timed in shown:
        if line.artifact and any(isinstance(extent, str) for tensor in line.artifact.inputs for extent in tensor.shape):
            shapes.setdefault(shapes_text(timed.inputs), {})[line.name] = None
    for text, names in shapes.items():
        yield f"dynamic inputs measured as {text}" + (f": {', '.join(names)}" if len(shapes) > 1 else "")


def _constants(report: Report) -> Iterator[str]:
    """How many numbers of the programs were found in their files, where that was looked for."""
    audits = [line.artifact.constants for line in report.lines if line.artifact and line.artifact.constants]
    if audits:
        found = ConstantsAudit(
            total=sum(audit.total for audit in audits), accounted=sum(audit.accounted for audit in audits)
        )
        yield f"{found} in {count(len(audits), 'file')}"


def shapes_text(inputs: dict[str, list[int]]) -> str:
    """`image 1x3x224x224, mask 1x16`: what one call was given."""
    return ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in inputs.items())


def _recommended(report: Report, line: ReportLine) -> Iterator[Text]:
    """The file to ship for a model on a target, with its figures on the first device that timed it."""
    facts = [size(line.artifact.size_bytes) + _beside_float(line.size_ratio)] if line.artifact else []
    timed = next((e for e in line.executions if e.timed), None)
    if timed and timed.timed:
        facts.append(f"{milliseconds(timed.timed.latency_ns['p50'])} ms{_beside_float(timed.latency_ratio)}")
    judged = [e.metric for e in line.executions if e.metric and e.device not in report.counting]
    facts += dict.fromkeys(f"{metric.name} {share(metric.artifact)}" for metric in judged)
    yield Text(f"ship this: {line.name}: {', '.join(facts)}", "bold")
    if line.path:
        yield Text(f"  {Path(report.folder or '') / line.path}")


def _beside_float(figure: float | None) -> str:
    return f" ({ratio(figure)} float)" if figure else ""

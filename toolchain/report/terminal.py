"""What a terminal shows: tables, progress, errors. User text is never read as markup."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from edgeship.toolchain.build.lines import Event
from edgeship.toolchain.judge.task import MetricResult
from edgeship.toolchain.judge.verdict import Verdict
from edgeship.toolchain.measure import history as measurements
from edgeship.toolchain.protocol.messages import Result
from edgeship.toolchain.report.document import Execution, Report, ReportLine
from edgeship.toolchain.report.format import milliseconds, size

NOTES_WIDTH = 110  # columns of a terminal from which on notes stand in the table
HEADLINES = {"good": "green", "bad": "bold red", "unproven": "yellow"}
STYLES = {
    "pass": "green",
    "fail": "bold red",
    "failed": "bold red",
    "unsupported": "dim",
    "unverifiable": "yellow",
    "not-executed": "yellow",
}

# a pipe or a log file has no width of its own: tables must not be squeezed into 80 columns there
out = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
err = Console(stderr=True, highlight=False)


def say(text: str, style: str = "") -> None:
    """One line of text for a person."""
    out.print(Text(text, style=style), soft_wrap=True)


def print_json(value: Any) -> None:
    """A document for a program, on standard output."""
    sys.stdout.write((value if isinstance(value, str) else json.dumps(value, indent=1)) + "\n")


def count(number: int, what: str) -> str:
    """`1 line`, `2 lines`."""
    return f"{number} {what}" + ("" if number == 1 else "s")


def print_error(message: str, hint: str = "") -> None:
    """An error and what to do about it, on standard error."""
    err.print(Text.assemble(("error: ", "bold red"), message), soft_wrap=True)
    if hint:
        err.print(Text.assemble((" hint: ", "bold"), hint), soft_wrap=True)


def print_note(message: str) -> None:
    """What was decided without being asked, on standard error."""
    err.print(Text.assemble(("note: ", "bold"), message), soft_wrap=True)


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str | Text]], right: Sequence[str] = (), wraps: Sequence[str] = ()
) -> None:
    """A plain table; columns named in `right` are numbers, those in `wraps` (and the last) free text."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        text = column in wraps or index == len(columns) - 1  # figures never wrap
        table.add_column(column, justify="right" if column in right else "left", overflow="fold", no_wrap=not text)
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    out.print(table)


class Tracker:
    """Shows each line's stage while it is worked on; without a terminal, one plain line per finished line."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._tasks: dict[str, Any] = {}

    def __call__(self, event: Event) -> None:
        """Show an event."""
        if event.kind == "warning":
            self._print(f"warning: {event.line}: {event.text}", "yellow")
        elif event.kind == "failed":
            self._end(event.line)
            self._print(f"failed: {event.line}: {event.text}", "bold red")
        elif event.kind in ("done", "unsupported"):
            self._end(event.line)
        elif self._progress is not None:
            if event.line not in self._tasks:
                self._tasks[event.line] = self._progress.add_task(event.line, stage="", total=None)
            self._progress.update(self._tasks[event.line], stage=event.text)

    def _print(self, text: str, style: str) -> None:
        console = self._progress.console if self._progress is not None else err
        console.print(Text(text, style=style), soft_wrap=True)

    def _end(self, line: str) -> None:
        if self._progress is not None and line in self._tasks:
            self._progress.remove_task(self._tasks.pop(line))


@contextmanager
def tracking() -> Iterator[Tracker]:
    """A Tracker for the time of a run."""
    if not err.is_terminal:
        yield Tracker(None)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.fields[stage]}"))
    with Progress(*columns, TimeElapsedColumn(), console=err, transient=True) as progress:
        yield Tracker(progress)


def print_report(report: Report) -> None:
    """The result table of a run: one row for each device of each line."""
    models, devices = len(report.models) > 1, len(report.devices) > 1
    pairs = report.rows
    metrics = [execution.metric for _, execution in pairs if execution and execution.metric]
    metric, most = (metrics[0].name, max(found.samples for found in metrics)) if metrics else (None, 0)
    columns = [*(["model"] if models else []), "variant", "target", *(["device"] if devices else []), "verdict"]
    columns += [metric] if metric else []
    columns += ["SQNR dB", "size", "÷ float", "p50 ms", "÷ float", "peak MB", "notes"]
    names = [[*([line.model] if models else []), line.variant, line.target] for line, _ in pairs]
    names = [[*name, *([e.device if e else ""] if devices else [])] for name, (_, e) in zip(names, pairs, strict=True)]
    rows = [[*name, *_figures(*pair, metric, most)] for name, pair in zip(names, pairs, strict=True)]
    below = out.width < NOTES_WIDTH  # no room for notes beside the figures
    if below:
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    print_table(columns, rows, (metric or "", "SQNR dB", "size", "÷ float", "p50 ms", "peak MB"))
    for line, execution in pairs:
        if below and (notes := _notes(line, execution)):
            say(f"{line.name}: {notes}", "dim")
    counts = ", ".join(f"{number} {name}" for name, number in sorted(report.counts.items()))
    say(f"\n{count(len(report.lines), 'line')}: {counts}")
    if report.quick and report.measured:
        say("quick measurement: one launch each, figures compare within this run only", "dim")
    for line in report.lines:
        if line.bad or line.verdict == "unverifiable":
            say(f"{line.outcome}: {line.name}: {'; '.join(line.reasons)}", STYLES[line.outcome])
            if line.hint:
                say(f"  hint: {line.hint}")
    for text in (*report.warnings, *(f"{name}: {text}" for name, text in report.own_warnings)):
        say(f"warning: {text}", "yellow")
    kind, headline = report.headline
    say(headline, HEADLINES[kind])


def print_verdict(file: Path, verdict: Verdict) -> None:
    """What `verify` found."""
    say(f"{file}: {verdict.verdict}", STYLES[verdict.verdict])
    if verdict.executed_by:
        say(f"executed by {verdict.executed_by}")
    if verdict.against_float:
        found = verdict.against_float
        say(f"SQNR {found.sqnr_db:.1f} dB (worst sample {found.worst_sample_sqnr_db:.1f}), cosine {found.cosine:.6f}, "
            f"largest difference {found.max_abs:.3g}, on {found.samples} samples")  # fmt: skip
        if found.top1_agreement is not None:
            say(f"top-1 agreement {found.top1_agreement:.2%}")
    if verdict.metric:
        low, high = verdict.metric.interval
        say(f"{verdict.metric.name} {verdict.metric.artifact:.4f} [{low:.4f}, {high:.4f}], "
            f"the model's {verdict.metric.float_value:.4f}")  # fmt: skip
    if verdict.spread is not None:
        say(f"outputs vary over the inputs by {verdict.spread:.2g} of their size")
    for reason in verdict.reasons:
        say(f" - {reason}", STYLES[verdict.verdict])
    for warning in verdict.warnings:
        say(f" warning: {warning}", "yellow")


def print_bench(files: Sequence[Path], results: Sequence[Result | str]) -> None:
    """What `bench` measured."""
    rows: list[list[str]] = []
    for file, result in zip(files, results, strict=True):
        if isinstance(result, str):
            rows.append([file.name, "", "", "", "", "", result])
            continue
        summary = result.summary or {}
        latency = summary.get("latency_ns", {})
        interval = summary.get("p50_interval_ns")
        peak, cold = summary.get("peak_rss_bytes"), summary.get("cold_ns", {}).get("total")
        rows.append(
            [
                file.name,
                milliseconds(latency["p50"]) if latency else "",
                f"{milliseconds(interval[0])} to {milliseconds(interval[1])}" if interval else "",
                milliseconds(latency["p90"]) if "p90" in latency else "",
                milliseconds(cold) if cold else "",
                f"{peak / 1e6:.1f}" if peak else "",
                ", ".join([*measurements.notes(result), *(result.validity.flags if result.validity else [])]),
            ]
        )
    shapes = {file.name: _shapes(r) for file, r in zip(files, results, strict=True) if not isinstance(r, str)}
    columns = ["file", "p50 ms", "95% interval", "p90 ms", "cold ms", "peak MB", "flags"]
    print_table(columns, rows, ("p50 ms", "95% interval", "p90 ms", "cold ms", "peak MB"))
    if len(set(shapes.values())) == 1:
        say(f"inputs: {next(iter(shapes.values()))}", "dim")
    else:
        for name, shape in shapes.items():
            say(f"inputs of {name}: {shape}", "dim")


def _shapes(result: Result) -> str:
    """`image 1x3x224x224, mask 1x16`: what one call was given."""
    inputs = result.artifact.inputs or []
    return ", ".join(" ".join(filter(None, (tensor.name, "x".join(map(str, tensor.shape))))) for tensor in inputs)


def print_inspection(about: dict[str, Any]) -> None:
    """What `inspect` found in a file."""
    say(f"{about['file']}: {about['format']}, {size(about['size_bytes'])}", "bold")
    for side in ("inputs", "outputs"):
        for tensor in about[side]:
            shape = tensor.get("shape")
            sizes = "of unknown shape" if shape is None else list(shape)
            say(f"  {side[:-1]} {tensor.get('name') or ''}: {tensor.get('dtype') or 'tensor'} {sizes}")
    dtypes = [f"{dtype} ({count(number, 'operator')})" for dtype, number in (about["dtypes"] or {}).items()]
    say("computes in: " + (", ".join(dtypes) or "unknown"))
    if about.get("backends"):
        say("backends: " + _nested(about["backends"]))
    operators = sorted(about["operators"].items(), key=lambda item: (-item[1], item[0]))
    print_table(["operator", "count"], [[name, str(number)] for name, number in operators], ("count",))
    if about.get("largest"):
        say("")
        print_table(["largest constants", "size"], [[n, size(s)] for n, s in about["largest"]], ("size",))


def print_catalogue(rows: Sequence[dict[str, Any]]) -> None:
    """What `targets` lists."""
    table = [
        [r["group"], r["name"], "yes" if r["installed"] else r["install"], ", ".join(r["specs"] or r["options"])]
        for r in rows
    ]
    print_table(["kind", "name", "installed", "carries / options"], table)


def _nested(table: dict[str, Any]) -> str:
    """{'cpu': {'Conv': 2}, 'gpu': {}} as `cpu: Conv 2`."""
    parts = []
    for name, value in table.items():
        inner = ", ".join(f"{key} {number}" for key, number in value.items()) if isinstance(value, dict) else value
        if inner != "":
            parts.append(f"{name}: {inner}" if not isinstance(value, dict) else f"{name} ({inner})")
    return ", ".join(parts)


def _figures(line: ReportLine, execution: Execution | None, metric: str | None, most: int) -> list[str | Text]:
    """The cells right of a row's names."""
    outcome = execution.verdict if execution else line.status
    cells: list[str | Text] = [Text(outcome, STYLES.get(outcome, ""))]
    judged, timed = execution and execution.metric, execution and execution.timed
    if metric:
        cells.append(_metric(judged, most) if judged else "")
    ratio, peak = execution and execution.latency_ratio, timed and timed.peak_rss_bytes
    cells += [
        f"{execution.parity_float.sqnr_db:.1f}" if execution and execution.parity_float else "",
        size(line.artifact.size_bytes) if line.artifact else "",
        Text(f"{line.size_ratio:.2f}" if line.size_ratio else "", "yellow" if line.flags else ""),
        milliseconds(timed.latency_ns["p50"]) if timed else "",
        Text(f"{ratio:.2f}" if ratio else "", "yellow" if execution and execution.flags else ""),
        f"{peak / 1e6:.1f}" if peak else "",
        _notes(line, execution),
    ]
    return cells


def _metric(found: MetricResult, most: int) -> str:
    """The artifact's figure; of fewer samples than the others' beside the float model's on the same ones."""
    few = f" of {found.samples} (float {found.float_value:.2%})" if found.samples < most else ""
    return f"{found.artifact:.2%}{few}"


def _notes(line: ReportLine, execution: Execution | None) -> str:
    if execution is None:
        return line.reason or "" if line.status == "unsupported" else ""
    notes = [flag.replace("-", " ") for flag in (*line.flags, *execution.flags)]
    notes += dict.fromkeys(note for measured in execution.measurements for note in measured.notes)
    if execution.executed_by and "reference" in execution.executed_by:
        notes.append("by reference evaluation")
    if execution.verdict == "not-executed":
        notes += execution.reasons
    if execution.verdict == "unverifiable":
        spread = "" if execution.spread is None else f" outputs vary by {execution.spread:.1g} of their size"
        notes.append(f"untrained?{spread}")
    return ", ".join(notes)

"""Results for files that were there: verify, bench, inspect."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.text import Text

from edgeship.toolchain.judge.verdict import Verdict
from edgeship.toolchain.report.bench import Bench, short_names
from edgeship.toolchain.report.document import Measurement
from edgeship.toolchain.report.format import decibel, milliseconds, share, size
from edgeship.toolchain.report.terminal.comparison import comparisons_view
from edgeship.toolchain.report.terminal.console import count
from edgeship.toolchain.report.terminal.run import STYLES, shapes_text
from edgeship.toolchain.report.terminal.table import Column, FittedTable


def verdict_view(file: Path, verdict: Verdict) -> Iterator[Text | FittedTable]:
    """What `verify` found."""
    yield Text(f"{file}: {verdict.verdict}", STYLES[verdict.verdict])
    if verdict.executed_by:
        yield Text(f"executed by {verdict.executed_by}")
    if found := verdict.against_float:
        yield Text(
            f"SQNR {decibel(found.sqnr_db)} (worst sample {decibel(found.worst_sample_sqnr_db)}), "
            f"cosine {found.cosine:.6f}, largest difference {found.max_abs:.3g}, on {count(found.samples, 'sample')}"
        )
        if limits := verdict.threshold:
            yield Text(f"limit {decibel(limits.float_db)} (fixed: the program that it was made from is not known)")
        if found.top1_agreement is not None:
            yield Text(f"top-1 agreement {share(found.top1_agreement)}")
    if metric := verdict.metric:
        low, high = metric.interval
        yield Text(
            f"{metric.name} {share(metric.artifact)} (95% interval {share(low)} to {share(high)}), "
            f"the model's {share(metric.float_value)} on the same {count(metric.samples, 'sample')}"
        )
    if verdict.spread is not None:
        yield Text(f"outputs vary over the inputs by {verdict.spread:.2g} of their size")
    for reason in verdict.reasons:
        yield Text(f" - {reason}", STYLES[verdict.verdict])
    for warning in verdict.warnings:
        yield Text(f" warning: {warning}", "yellow")


def bench_view(bench: Bench) -> Iterator[Text | FittedTable]:
    """What `bench` measured: files by the shortest ends of their paths that tell them apart."""
    names = short_names([benched.file for benched in bench.files])
    measured = [(name, b.measurement) for name, b in zip(names, bench.files, strict=True) if b.measurement]
    rows = [
        [name, *(_figures(benched.measurement) if benched.measurement else ["", "", "", "", "", benched.error or ""])]
        for name, benched in zip(names, bench.files, strict=True)
    ]
    figures = [Column(title, "figure") for title in ("p50 ms", "95% interval", "p90 ms", "cold ms", "peak")]
    yield FittedTable([Column("file", "key"), *figures, Column("notes", "text")], rows)
    if not measured:
        return
    yield Text("")
    if bench.quick:
        yield Text("quick measurement: one launch each, figures compare within this run only", "dim")
    yield Text(f"measured with threads {measured[0][1].threads}", "dim")
    shapes = {
        shapes_text(m.inputs): [name for name, other in measured if other.inputs == m.inputs] for _, m in measured
    }
    for text, files in shapes.items():
        yield Text(f"inputs: {text}" + (f": {', '.join(files)}" if len(shapes) > 1 else ""), "dim")
    if bench.comparisons:
        yield Text("")
        yield from comparisons_view(bench.comparisons)


def _figures(measured: Measurement) -> list[str]:
    """The cells right of a file's name."""
    latency, interval = measured.latency_ns, measured.p50_interval_ns
    cold, peak = measured.cold_ns.get("total"), measured.peak_rss_bytes
    return [
        milliseconds(latency["p50"]) if "p50" in latency else "",
        f"{milliseconds(interval[0])} to {milliseconds(interval[1])}" if interval else "",
        milliseconds(latency["p90"]) if "p90" in latency else "",
        milliseconds(cold) if cold else "",
        size(peak) if peak else "",
        ", ".join([*measured.notes, *measured.flags]),
    ]


def inspection_view(about: dict[str, Any]) -> Iterator[Text | FittedTable]:
    """What `inspect` found in a file."""
    yield Text(f"{about['file']}: {about['format']}, {size(about['size_bytes'])}", "bold")
    for side in ("inputs", "outputs"):
        for tensor in about[side]:
            shape = tensor.get("shape")
            sizes = "of unknown shape" if shape is None else f"[{', '.join(map(str, shape))}]"
            yield Text(f"  {side[:-1]} {tensor.get('name') or ''}: {tensor.get('dtype') or 'tensor'} {sizes}")
    if "names" in about:
        known = "numbered by position" if about["names"] == "position" else f"from the {about['names']} beside it"
        yield Text(f"  names: the format has none, these are {known}", "dim")
    dtypes = [f"{dtype} ({count(number, 'operator')})" for dtype, number in (about["dtypes"] or {}).items()]
    yield Text("computes in: " + (", ".join(dtypes) or "unknown"))
    if about.get("backends"):
        yield Text("backends: " + _nested(about["backends"]))
    operators = sorted(about["operators"].items(), key=lambda item: (-item[1], item[0]))
    yield FittedTable([Column("operator", "key"), Column("count", "figure")], [[name, str(n)] for name, n in operators])
    if about.get("largest"):
        yield Text("")
        largest = [[name, size(size_bytes)] for name, size_bytes in about["largest"]]
        yield FittedTable([Column("largest constants", "key"), Column("size", "figure")], largest)


def _nested(table: dict[str, Any]) -> str:
    """{'cpu': {'Conv': 2, 'Gemm': 1}, 'gpu': 3, 'npu': {}} as `cpu (Conv 2, Gemm 1), gpu 3`."""
    return ", ".join(
        f"{name} ({_nested(value)})" if isinstance(value, dict) else f"{name} {value}"
        for name, value in table.items()
        if value or value == 0
    )

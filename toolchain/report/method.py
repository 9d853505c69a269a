"""What the report says of how it came about: the limits that judged, and what was timed under which conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgeship.toolchain.judge.limits import Threshold, threshold
from edgeship.toolchain.quant import parse
from edgeship.toolchain.report.document import Measurement, Report, ReportLine


@dataclass(frozen=True)
class Limits:
    """Limits that at least one execution was judged by."""

    spec: str
    limits: Threshold
    own: bool
    """Whether the recipe says them."""
    changed: bool
    """Pruned or trained: the SQNR to the float model is not judged."""
    lines: int
    targets: Sequence[str]
    """Whose files they are: one spec's limits differ where a file computes in half precision."""


def limits(report: Report) -> list[Limits]:
    """The limits in use, each with how many lines it judged; half precision and parts make one spec's differ."""
    found: dict[tuple[str, Threshold, bool, bool], dict[str, str]] = {}
    for line, execution in report.rows:
        if execution and execution.threshold:
            key = (line.spec, execution.threshold, _own(line, execution.threshold), line.changes_model)
            found.setdefault(key, {})[line.name] = line.target
    return [Limits(*key, len(judged), list(dict.fromkeys(judged.values()))) for key, judged in found.items()]


def _own(line: ReportLine, used: Threshold) -> bool:
    return line.artifact is not None and threshold(parse(line.spec), line.artifact, {}) != used


@dataclass(frozen=True)
class Conditions:
    """What was timed on one device: launches and calls are (least, most) over its files."""

    device: str
    facts: Mapping[str, Any]
    runtimes: Sequence[str]
    threads: Sequence[int]
    shapes: Sequence[str]
    launches: tuple[int, int] | None
    notes: Sequence[str]


def conditions(report: Report) -> list[Conditions]:
    """One entry for each device of the recipe."""
    made = []
    for device, facts in report.devices.items():
        measured = [m for _, e in report.rows if e and e.device == device for m in e.measurements]
        launches = [m.launches for m in measured if m.launches]
        made.append(
            Conditions(
                device,
                facts,
                sorted({m.runtime for m in measured}),
                sorted({m.threads for m in measured}),
                list(dict.fromkeys(shape for m in measured if (shape := _shape(m)))),
                (min(launches), max(launches)) if launches else None,
                list(dict.fromkeys(note for m in measured for note in m.notes)),
            )
        )
    return made


def _shape(measurement: Measurement) -> str:
    """`image 1×3×224×224, mask 1×16`."""
    return ", ".join(f"{name} {'×'.join(map(str, shape))}" for name, shape in measurement.inputs.items())

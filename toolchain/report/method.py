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
    """The strictest: a measured floor differs from program to program."""
    program_db: tuple[float, float]
    """The least and the most that was asked against the program."""
    own: bool
    """Whether the recipe says them."""
    changed: bool
    """Pruned or trained: the SQNR to the float model is not judged."""
    lines: int
    targets: Sequence[str]
    """Whose files they are: one spec's limits differ where a file computes in half precision."""


def limits(report: Report) -> list[Limits]:
    """The limits in use, each with how many lines it judged; half precision and parts make one spec's differ."""
    found: dict[tuple[str, bool, float, bool, bool], dict[str, tuple[str, Threshold]]] = {}
    for line, execution in report.rows:
        if execution and (used := execution.threshold):
            measured = used.floor_db is not None
            key = (line.spec, measured, used.float_db, _own(line, used), line.changes_model)
            found.setdefault(key, {})[line.name] = (line.target, used)
    return [
        _together(spec, own, changed, list(judged.values())) for (spec, _, _, own, changed), judged in found.items()
    ]


def _together(spec: str, own: bool, changed: bool, judged: Sequence[tuple[str, Threshold]]) -> Limits:
    used = [limits for _, limits in judged]
    asked = [limits.program_db for limits in used]
    strictest = max(used, key=lambda limits: limits.program_db)
    targets = list(dict.fromkeys(target for target, _ in judged))
    return Limits(spec, strictest, (min(asked), max(asked)), own, changed, len(judged), targets)


def _own(line: ReportLine, used: Threshold) -> bool:
    """Whether the limit against the float model is another than this kind of numbers has."""
    if line.artifact is None or used.float_db == used.program_db:  # a float file's own floor is its limit, too
        return False
    return threshold(parse(line.spec), line.artifact, {}).float_db != used.float_db


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

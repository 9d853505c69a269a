"""Counted instructions of a file on an emulated core: exact, so one launch is enough and a stored count stands."""

from __future__ import annotations

from typing import ClassVar

from edgeship.toolchain.build.store import Record, Store, key_of
from edgeship.toolchain.devices.launch import launch
from edgeship.toolchain.errors import DeviceError
from edgeship.toolchain.link import Link
from edgeship.toolchain.measure.bench import Subject
from edgeship.toolchain.protocol.jobs import Load
from edgeship.toolchain.protocol.messages import Config, Stop
from edgeship.toolchain.protocol.run import Instructions

CALLS, EQUAL = 6, 3
"""Counted calls of one launch, and how many of the last are equal, or there is no count: a runtime's memory takes some
calls to settle (ONNX Runtime's up to three, within 0.006%)."""


class CountRecord(Record):
    """What one call executed under its conditions."""

    kind: ClassVar[str] = "count"

    instructions: Instructions


def count(subject: Subject, link: Link, store: Store) -> Instructions:
    """What one call of the file executes on the link's core with its first sample, from the store where that is known.

    Raises as `Link.execute`; DeviceError for a file that fails, or whose calls differ.
    """
    shapes = {name: list(array.shape) for name, array in subject.samples.take([0]).inputs.items()}
    conditions = link.conditions(subject.artifact)
    key = key_of(["count", subject.artifact.sha256, subject.artifact.runtime.model_dump(), shapes, conditions])
    return store.recall(key, CountRecord, lambda: CountRecord(instructions=_counted(subject, link))).instructions


def _counted(subject: Subject, link: Link) -> Instructions:
    rows = [dict(zip(subject.samples.inputs, subject.samples.row(0), strict=True))]
    config = Config(mode="count", measure=Stop(min_iters=CALLS))
    [run] = launch(link, Load(subject.artifact, subject.folder, rows), config, capture=False).result.runs
    if run.error:
        raise DeviceError(f"{run.error.phase}: {run.error.message}")
    calls = run.instructions or []
    if len(calls) != CALLS:
        raise DeviceError(f"{len(calls)} of {CALLS} calls were counted", "is the agent older than the counter?")
    if any(call != calls[-1] for call in calls[-EQUAL:]):
        totals = ", ".join(str(call.total) for call in calls)
        raise DeviceError(f"calls with the same input executed different instructions ({totals}): no count stands")
    return calls[-1]

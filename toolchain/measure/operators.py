"""Where a file spends its time, operator by operator, as its runtime tells in a launch of its own."""

from __future__ import annotations

from edgeship.toolchain.devices.launch import launch
from edgeship.toolchain.errors import DeviceError
from edgeship.toolchain.link import Link
from edgeship.toolchain.measure.bench import Subject, batched
from edgeship.toolchain.protocol.jobs import Load
from edgeship.toolchain.protocol.machine import Operator
from edgeship.toolchain.protocol.messages import Config, Stop

CALLS = 40


def operators(subject: Subject, link: Link) -> list[Operator]:
    """What each operator of a file takes in one call, in the order of execution: the median of CALLS.

    Profiling costs time itself: these figures say what to look at, not how fast the file is. DeviceError where the
    runtime tells none.
    """
    if reason := link.can_execute(subject.artifact, "profile"):
        raise DeviceError(reason)
    load = Load(subject.artifact, subject.folder, batched(subject.samples, 1)[:1], threads=subject.threads)
    run = launch(link, load, Config(mode="profile", measure=Stop(min_iters=CALLS)), capture=False).result.runs[0]
    if run.error:
        raise DeviceError(f"{run.error.phase}: {run.error.message}")
    return run.ops or []

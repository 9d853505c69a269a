"""Where a file spends its time, operator by operator, as its runtime tells in a launch of its own."""

from __future__ import annotations

from edgeship.toolchain.link import Link
from edgeship.toolchain.measure.bench import Subject, alone
from edgeship.toolchain.protocol.machine import Operator
from edgeship.toolchain.protocol.messages import Config, Stop

CALLS = 40


def operators(subject: Subject, link: Link) -> list[Operator]:
    """What each operator of a file takes in one call, in the order of execution: the mean of CALLS without
    those that something interrupted.

    Profiling costs time itself: these figures say what to look at, not how fast the file is. DeviceError where the
    runtime tells none.
    """
    return alone(subject, link, Config(mode="profile", measure=Stop(min_iters=CALLS))).ops or []

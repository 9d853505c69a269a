"""Which operator makes an int8 file slower than its float twin, by the runtime's own profile of both."""

from __future__ import annotations

import re
from collections import defaultdict

from edgeship.toolchain.link import Link
from edgeship.toolchain.measure.bench import Subject
from edgeship.toolchain.measure.operators import operators

Times = dict[str, float]
"""Kernel → milliseconds of one inference, all executions together."""
INTEGER_OR_FUSED = re.compile(r"^(QLinear|Nhwc|Fused|Q)(?=[A-Z])| \([^)]*\).*")
"""What tells one kernel of an operator from another: QLinearConv and FusedConv, Convolution (NHWC, QC8) IGEMM."""


def slowed(ours: Subject, plain: Subject, link: Link) -> str | None:
    """The kind of operator that takes more time in `ours` than in `plain` by most, with both times; None: none does.

    DeviceError where the runtime tells no profile.
    """
    after, before = (_times(subject, link) for subject in (ours, plain))
    return most_slowed(after, before)


def _times(subject: Subject, link: Link) -> Times:
    found: Times = defaultdict(float)
    for each in operators(subject, link):
        # XNNPACK's name is the kernel's, ONNX Runtime's the node's
        kernel = each.name.partition(" #")[0] if " (" in each.name else each.type or each.name
        found[kernel] += each.ns / 1e6
    return found


def most_slowed(after: Times, before: Times) -> str | None:
    """The same for two profiles."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for name in after:
        kinds[INTEGER_OR_FUSED.sub("", name)].append(name)
    floats: Times = defaultdict(float)
    for name, time in before.items():
        floats[INTEGER_OR_FUSED.sub("", name)] += time
    lost = {kind: sum(after[name] for name in names) - floats[kind] for kind, names in kinds.items()}
    kind = max(lost, key=lambda each: lost[each], default=None)
    if kind is None or lost[kind] <= 0:
        return None
    names = sorted(kinds[kind], key=lambda name: -after[name])
    taken = sum(after[name] for name in names)
    return f"{names[0]} takes {taken:.3f} ms, in float {floats[kind]:.3f} ms"

"""A file run for long: calls per second over time with the machine's heat, and what it holds after many loads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgeship.toolchain.errors import DeviceError
from edgeship.toolchain.link import Link
from edgeship.toolchain.measure.bench import Subject, alone
from edgeship.toolchain.protocol.messages import Config, Stop
from edgeship.toolchain.protocol.run import Run, Window

SLOWER = 0.95
"""A last window below this share of the first one is called throttling."""
SETTLED = 0.5
"""Memory grows over the first loads of any runtime: a leak is what still grows in this last part of the rounds."""
LEAST_GROWTH = 1 << 20
"""Bytes over that part; the allocator's own moves are smaller."""


SPARE_NS = 900_000_000_000
"""What loading may take beside the time that was asked for."""


@dataclass(frozen=True)
class Plan:
    """How long and how often."""

    seconds: float
    window_s: float
    rounds: int
    streams: int

    def sustained(self) -> Config:
        """One launch without a pause, no warm-up: how it gets slower is what is looked for."""
        long = Stop(min_ns=int(self.seconds * 1e9), max_ns=int(self.seconds * 1e9))
        return Config(mode="sustained", measure=long, interval_ns=int(self.window_s * 1e9), concurrency=self.streams)

    def loads(self) -> Config:
        """One launch that loads, calls and unloads again and again."""
        return Config(mode="rounds", measure=Stop(max_iters=self.rounds))


@dataclass(frozen=True)
class Sustained:
    """Calls per second by window, and what they say."""

    windows: list[Window]
    run: Run

    @property
    def per_second(self) -> list[float]:
        """Of each window, all streams together."""
        return [window.completed / (window.length / 1e9) for window in self.windows]

    @property
    def last_to_first(self) -> float:
        """How much of the first window's speed the last one has."""
        return self.per_second[-1] / self.per_second[0] if self.per_second[0] else 0.0

    @property
    def verdict(self) -> Literal["steady", "throttles", "too short"]:
        """Whether it got slower; nothing is said of fewer than three windows."""
        if len(self.windows) < 3:
            return "too short"
        return "throttles" if self.last_to_first < SLOWER else "steady"


def sustain(subject: Subject, link: Link, plan: Plan) -> Sustained:
    """DeviceError where the file cannot be executed so."""
    config = plan.sustained()
    run = alone(subject, link, config, config.measure.max_ns + SPARE_NS)
    if not run.windows:
        raise DeviceError("the agent told of no windows", "see its log")
    return Sustained(run.windows, run)


def load_again(subject: Subject, link: Link, plan: Plan) -> list[int]:
    """Bytes held after each round of loading, one call and unloading."""
    return alone(subject, link, plan.loads(), SPARE_NS).resident or []


def leak_bytes(resident: Sequence[int]) -> float:
    """How much a load leaves behind: the Theil–Sen slope over the later rounds, 0 where it is no steady growth."""
    from scipy import stats

    later = np.asarray(resident[int(len(resident) * (1 - SETTLED)) :], np.float64)
    if len(later) < 8:
        return 0.0
    slope, _, low, _ = stats.theilslopes(later)
    return float(slope) if low > 0 and slope * len(later) > LEAST_GROWTH else 0.0

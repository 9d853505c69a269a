"""Axes of drawings: which range they show, where its ticks lie, and where a value comes to lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LOG_FROM = 5.0
"""Values that span more than this factor are drawn on a logarithmic axis."""
PADDING = 0.07
"""Free room at both ends, as a share of what the values span."""
MOST_TICKS = 7
STEPS = (1, 2, 5, 10)
LOG_FACTORS = ((1, 1.5, 2, 3, 4, 5, 7), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,))
"""Ticks within a decade, the densest first."""


@dataclass(frozen=True)
class Axis:
    """Maps values between `low` and `high` to places between `start` and `end`; beyond them, to the ends."""

    low: float
    high: float
    start: float
    end: float
    log: bool
    ticks: tuple[float, ...]

    def __call__(self, value: float) -> float:
        low, high, value = (self._bent(v) for v in (self.low, self.high, min(max(value, self.low), self.high)))
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def _bent(self, value: float) -> float:
        return math.log(value) if self.log else value


def axis(values: Sequence[float], start: float, end: float, ceiling: float = math.inf, log: bool = True) -> Axis:
    """The axis that shows these values with a little room around them and no more; nothing lies above `ceiling`."""
    low, high = min(values), max(values)
    log = log and low > 0 and high / low > LOG_FROM
    if math.isclose(low, high, rel_tol=1e-6, abs_tol=1e-12):
        room = abs(low) * 0.1 or 1.0
        low, high = low - room, high + room
    elif log:
        room = (high / low) ** PADDING
        low, high = low / room, high * room
    else:
        room = (high - low) * PADDING
        low, high = low - room, high + room
    high = min(high, ceiling)
    return Axis(low, high, start, end, log, tuple(log_ticks(low, high) if log else linear_ticks(low, high)))


def linear_ticks(low: float, high: float) -> list[float]:
    """Round numbers within [low, high], about five."""
    step = 10 ** math.floor(math.log10((high - low) / 5))
    step = next(step * factor for factor in STEPS if (high - low) / (step * factor) <= 5)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(step * i, 12) for i in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2, 5 … times powers of ten within [low, high], as densely as there is room for."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in LOG_FACTORS:
        values = (round(f * 10.0**d, 12) for d in decades for f in factors)
        ticks = [value for value in values if low <= value <= high]
        if len(ticks) <= MOST_TICKS:
            return ticks
    return ticks[:: math.ceil(len(ticks) / MOST_TICKS)]

"""Sound as a model's input, as the contract of its bundle says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SILENCE = 1e-10
"""What a frame is divided by at least."""


@dataclass(frozen=True)
class AudioInput:
    """One frame of one channel: × scale, its mean subtracted, divided by its standard deviation; in float64."""

    sample_rate_hz: int
    frame: int
    """Samples of one input."""
    scale: float = 1.0
    centre: bool = False
    level: bool = False

    def apply(self, samples: NDArray[np.floating]) -> NDArray[np.float32]:
        """Samples [frame] between -1 and 1 → float32 [frame]; ValueError for another number of them."""
        if samples.shape != (self.frame,):
            raise ValueError(f"{samples.shape}: a frame has {self.frame} samples of one channel")
        values = samples.astype(np.float64) * self.scale
        if self.centre:
            values -= values.mean()
        if self.level:
            values /= max(SILENCE, values.std())
        return values.astype(np.float32)

"""cosine: how near the answers are to the float model's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edgeship.toolchain.api import Array, DataError, Metric
from edgeship.toolchain.metrics.outputs import Outputs, check_output, chosen, rows_of


class Cosine(Metric):
    """Cosine similarity to what the float model answers, −1 to 1; needs no labels."""

    output: str | None = Field(None, description="name of the output to compare; default: the first output")

    def check(self, outputs: tuple[str, ...]) -> None:
        check_output(self.output, outputs, "cosine")

    def score(self, outputs: Outputs, labels: Array | None, reference: Outputs) -> Array:
        ours = rows_of(chosen(outputs, self.output, "cosine"))
        theirs = rows_of(chosen(reference, self.output, "cosine"))
        if ours.shape != theirs.shape:
            raise DataError(f"cosine: {ours.shape[1]} values against {theirs.shape[1]}", "compare the same output")
        silent = ~np.isfinite(ours).all(1) | ~ours.any(1) | ~theirs.any(1)
        ours[silent] = 0.0
        length = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
        length[silent] = 1.0
        scores: NDArray[np.float64] = (ours * theirs).sum(1) / length
        return scores

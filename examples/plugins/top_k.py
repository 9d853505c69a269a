"""A metric: top-k accuracy."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from edgeship.toolchain.api import Array, DataError, Metric


class TopK(Metric):
    """Whether the label is among the k largest logits of the first output."""

    k: int = Field(5, ge=1, description="how many guesses a sample has")

    def score(self, outputs: dict[str, Array], labels: Array | None, reference: dict[str, Array]) -> Array:
        if labels is None:
            raise DataError("top-k: the evaluation data has no labels", "give labels, or choose metric = 'cosine'")
        logits = next(iter(outputs.values())).reshape(len(labels), -1)
        guesses = np.argsort(-logits, axis=1)[:, : self.k]
        alive = logits.max(axis=1) > logits.min(axis=1)  # zeros, constants and NaN never count as a hit
        return np.asarray((guesses == labels[:, None]).any(axis=1) & alive, dtype=np.float64)

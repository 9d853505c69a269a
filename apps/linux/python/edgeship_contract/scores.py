"""What a model's answer means: probabilities, and the best classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def softmax(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """Probabilities of logits [n], which add up to 1."""
    powers = np.exp(values.astype(np.float64) - values.max())
    return np.asarray(powers / powers.sum(), np.float32)


def top_k(values: NDArray[np.floating], k: int, labels: Sequence[str] = ()) -> list[tuple[str, int, float]]:
    """The k best of scores [n] as (label, index, score), the best first; of equal ones the lower index comes first.

    A class without a label is called by its number.
    """
    best = np.argsort(-values, kind="stable")[:k]
    return [(labels[i] if i < len(labels) else str(i), int(i), float(values[i])) for i in best]

"""top1: whether the largest logit is the label's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edgeship.toolchain.api import Array, DataError, Metric
from edgeship.toolchain.metrics.outputs import Outputs, check_output, chosen, rows_of


class Top1(Metric):
    """Whether the largest logit is the label's."""

    output: str | None = Field(None, description="name of the logits; default: the first output")

    def check(self, outputs: tuple[str, ...]) -> None:
        check_output(self.output, outputs, "top1")

    def score(self, outputs: Outputs, labels: Array | None, reference: Outputs) -> Array:
        logits = chosen(outputs, self.output, "top1")
        if labels is None:
            raise DataError("top1: the evaluation data has no labels", "give labels, or choose metric = 'cosine'")
        count, classes = len(logits), logits.shape[-1]
        if logits.size != count * classes or classes < 2:
            raise DataError(
                f"top1: output {list(logits.shape[1:])} is not one row of logits per sample",
                "name the logits with `output`, or write a python metric",
            )
        if labels.shape != (count,) or labels.dtype.kind not in "iub":
            raise DataError(
                f"top1: labels are {labels.dtype} {list(labels.shape)}, not {count} class numbers", "number the classes"
            )
        rows = rows_of(logits)
        hits: NDArray[np.bool_] = np.equal(rows.argmax(1), labels) & ~_says_nothing(rows)
        return hits.astype(np.float64)

    def chance(self, reference: Outputs, labels: Array | None) -> float | None:
        return 1 / int(chosen(reference, self.output, "top1").shape[-1])


def _says_nothing(rows: NDArray[np.float64]) -> NDArray[np.bool_]:
    finite = np.isfinite(rows).all(axis=1)
    return np.asarray(~finite | (rows.max(axis=1) == rows.min(axis=1)))

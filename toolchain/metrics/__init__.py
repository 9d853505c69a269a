"""Task metrics: one score per sample, higher is better.

A metric's `score(outputs, labels, reference)` gets what an artifact answered (`outputs`) and what the float model
answered (`reference`), both {output name: [n, *output shape]}, batch dimension of 1 included, and the labels of the n
samples or None. It returns [n] float64; the mean over samples is the figure in the tables, and its sampling interval
comes from the single scores. Answers that say nothing (NaN, all values equal) score 0: they never count as a hit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edgeship.toolchain.api import Array, DataError, EdgeshipError, Metric, load_callable, source_file

Outputs = dict[str, Array]


class Top1(Metric):
    """Whether the largest logit is the label's."""

    output: str | None = Field(None, description="name of the logits; default: the first output")

    def check(self, outputs: tuple[str, ...]) -> None:
        _check_output(self.output, outputs, "top1")

    def score(self, outputs: Outputs, labels: Array | None, reference: Outputs) -> Array:
        logits = _chosen(outputs, self.output, "top1")
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
        rows = _rows(logits)
        hits: NDArray[np.bool_] = np.equal(rows.argmax(1), labels) & ~_says_nothing(rows)
        return hits.astype(np.float64)

    def chance(self, reference: Outputs, labels: Array | None) -> float | None:
        return 1 / int(_chosen(reference, self.output, "top1").shape[-1])


class Cosine(Metric):
    """Cosine similarity to what the float model answers, −1 to 1; needs no labels."""

    output: str | None = Field(None, description="name of the output to compare; default: the first output")

    def check(self, outputs: tuple[str, ...]) -> None:
        _check_output(self.output, outputs, "cosine")

    def score(self, outputs: Outputs, labels: Array | None, reference: Outputs) -> Array:
        ours = _rows(_chosen(outputs, self.output, "cosine"))
        theirs = _rows(_chosen(reference, self.output, "cosine"))
        if ours.shape != theirs.shape:
            raise DataError(f"cosine: {ours.shape[1]} values against {theirs.shape[1]}", "compare the same output")
        silent = ~np.isfinite(ours).all(1) | ~ours.any(1) | ~theirs.any(1)
        ours[silent] = 0.0
        length = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
        length[silent] = 1.0
        scores: NDArray[np.float64] = (ours * theirs).sum(1) / length
        return scores


class Python(Metric):
    """The user's own function(outputs, labels, reference) → one score per sample."""

    function: str = Field(description="./file.py:function or package.module:function")
    arguments: dict[str, Any] = Field({}, description="keyword arguments of the function")

    def references(self) -> tuple[str, ...]:
        return (self.function,)

    def files(self) -> list[Path]:
        file = source_file(self.function, Path())
        return [file] if file else []

    def score(self, outputs: Outputs, labels: Array | None, reference: Outputs) -> Array:
        count = len(next(iter(outputs.values())))
        function = load_callable(self.function, Path())
        try:
            scores = np.asarray(function(outputs, labels, reference, **self.arguments), dtype=np.float64)
        except EdgeshipError:
            raise
        except Exception as error:
            raise DataError(f"{self.function}: {type(error).__name__}: {error}", "correct the metric") from error
        if scores.shape != (count,):
            raise DataError(
                f"{self.function}: scores {list(scores.shape)} for {count} samples", "answer one per sample"
            )
        if not np.isfinite(scores).all():
            raise DataError(f"{self.function}: {np.sum(~np.isfinite(scores))} scores are NaN", "score them 0")
        return scores


def _chosen(outputs: Outputs, name: str | None, metric: str) -> Array:
    _check_output(name, tuple(outputs), metric)
    return next(iter(outputs.values())) if name is None else outputs[name]


def _check_output(name: str | None, outputs: tuple[str, ...], metric: str) -> None:
    if name is not None and name not in outputs:
        raise DataError(f"{metric}: there is no output {name!r}", f"the outputs are {', '.join(outputs)}")


def _rows(array: Array) -> NDArray[np.float64]:
    return array.reshape(len(array), -1).astype(np.float64)


def _says_nothing(rows: NDArray[np.float64]) -> NDArray[np.bool_]:
    finite = np.isfinite(rows).all(axis=1)
    return np.asarray(~finite | (rows.max(axis=1) == rows.min(axis=1)))

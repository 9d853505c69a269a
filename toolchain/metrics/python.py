"""python: the user's own metric."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from edgeship.toolchain.api import Array, DataError, EdgeshipError, Metric, load_callable, source_file
from edgeship.toolchain.metrics.outputs import Outputs


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

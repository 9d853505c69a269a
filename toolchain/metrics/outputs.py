"""Which of an artifact's outputs a metric scores, as rows of numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeship.toolchain.api import Array, DataError

Outputs = dict[str, Array]


def chosen(outputs: Outputs, name: str | None, metric: str) -> Array:
    """The output of that name, or the first; DataError when `metric` names one that is not there."""
    check_output(name, tuple(outputs), metric)
    return next(iter(outputs.values())) if name is None else outputs[name]


def check_output(name: str | None, outputs: tuple[str, ...], metric: str) -> None:
    """DataError when `metric` names an output that is not there."""
    if name is not None and name not in outputs:
        raise DataError(f"{metric}: there is no output {name!r}", f"the outputs are {', '.join(outputs)}")


def rows_of(array: Array) -> NDArray[np.float64]:
    """[n, …] of any dtype as [n, values] float64."""
    return array.reshape(len(array), -1).astype(np.float64)

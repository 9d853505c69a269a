"""Which layers of the program a weight of the file may be, without comparing every number with every other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgeship.toolchain.inventory import Weight
from edgeship.toolchain.model.equality import fingerprint
from edgeship.toolchain.model.expected import Layer
from edgeship.toolchain.samples import Array

NEAR = {"float16": 1e-3, "float32": 1e-5}
"""By how much the magnitudes of two weights may differ in sum that are compared number by number: more than rounding
does, less than those of two layers of one shape do."""


class Candidates:
    """The layers of a program, found by their numbers or by the magnitude of what they are folded to."""

    def __init__(self, layers: list[Layer]) -> None:
        self._by_print: dict[object, list[int]] = defaultdict(list)
        self._computed: dict[int, list[tuple[int, list[float]]]] = defaultdict(list)
        for index, layer in enumerate(layers):
            self._by_print[fingerprint(layer.values)].append(index)
            if layer.values.dtype == np.float32:
                with np.errstate(over="ignore"):
                    self._by_print[fingerprint(layer.values.astype(np.float16))].append(index)
            sums = [_magnitude(layer.values, fold.factor) for fold in layer.folded]
            sums += [_magnitude(layer.values, fold.factor) for fold in layer.absorbed]
            if layer.grid is not None:
                sums.append(float("nan"))
            if sums:
                self._computed[layer.values.size].append((index, sums))

    def of(self, weight: Weight) -> Iterator[list[int]]:
        """The indices of the layers that it may be: those of the same numbers, then those that they may be made of."""
        yield (same := self._by_print.get(fingerprint(weight.values), []))
        if weight.values.dtype.kind == "f":
            near = NEAR.get(weight.values.dtype.name, NEAR["float16"])
            total = float(np.abs(weight.values).sum(dtype=np.float64))
            yield [
                index
                for index, sums in self._computed.get(weight.values.size, [])
                if index not in same and any(each != each or abs(each - total) <= near * total for each in sums)
            ]


def _magnitude(values: Array, factor: NDArray[np.float64]) -> float:
    """The sum of magnitudes of the product with a factor per channel."""
    axes = tuple(axis for axis, size in enumerate(factor.shape) if size == 1)
    sums: NDArray[np.float64] = np.abs(values).sum(axis=axes, keepdims=True, dtype=np.float64)
    return float((sums * np.abs(factor)).sum())

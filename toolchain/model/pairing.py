"""One weight of the program beside one of the file: which of their numbers agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgeship.toolchain.inventory import Affine, Weight
from edgeship.toolchain.model.equality import Same, exact, rounded_within, same_up_to_layout, within
from edgeship.toolchain.model.expected import Layer
from edgeship.toolchain.model.folds import Folded
from edgeship.toolchain.samples import Array

FOLDED_UNITS = 16
"""Units in the last place that folding in another order may cost: a root, a quotient and two products."""
LOOSE_UNITS = 2
"""A conversion and a product."""


@dataclass(frozen=True)
class Parts:
    """What was compared beside the weight, and how many of the operators that follow the layer are folded into it."""

    agree: dict[str, bool]
    folds: int = 0
    absorbed: Folded | None = None
    """What stood before the layer and is in its weight now."""

    @property
    def wrong(self) -> list[str]:
        """What is not the program's."""
        return [part for part, ok in self.agree.items() if not ok]


def pair(found: Weight, layer: Layer) -> Parts | None:
    """What agrees beside the weight itself: scale, zero point, bias, input, settings; None where the weight does not.

    What the file does not hold here is left out: it is looked for elsewhere.
    """
    parts = _operands(found, layer)
    if parts is None or not found.settings:
        return parts
    told = {name: found.settings[name] == wanted for name, wanted in layer.settings.items() if name in found.settings}
    return replace(parts, agree={**parts.agree, **told})


def _operands(found: Weight, layer: Layer) -> Parts | None:
    if same_up_to_layout(found.values, as_stored(layer.values, found.values), exact):
        integer_bias = found.bias is not None and found.bias.dtype == np.int32
        bias = _steps(found, layer) if integer_bias else _bias(found, layer.bias, None)
        depth = 0
        if not integer_bias and not all(bias.values()) and (depth := _sums(found, layer)):
            bias = {"bias": True}
        return Parts({**_grids(found, layer), **bias, **_input(found, layer)}, depth)
    if found.values.dtype.kind != "f":
        return None
    if layer.grid is not None and same_up_to_layout(found.values, dequantized(layer), within(LOOSE_UNITS)):
        return Parts({"scale": True, "zero point": True, **_bias(found, layer.bias, None)})
    near = _near(found, layer)
    for index, fold in enumerate(layer.folded):
        if same_up_to_layout(found.values, fold.weight, near(FOLDED_UNITS)):
            return Parts(_bias(found, fold.bias, near(FOLDED_UNITS, fold.size)), index + 1)
    for fold in layer.absorbed:
        if same_up_to_layout(found.values, fold.weight, near(FOLDED_UNITS)):
            same = [each for each in layer.absorbed if np.array_equal(each.factor, fold.factor)]
            offers = [_bias(found, each.bias, near(FOLDED_UNITS, each.size)) for each in same]
            return Parts(next((offer for offer in offers if all(offer.values())), offers[0]), 0, fold)
    return None


def _sums(found: Weight, layer: Layer) -> int:
    """How many of the operators that follow a layer and only add are in its bias here; 0 where none is."""
    near = _near(found, layer)
    for depth, fold in enumerate(layer.folded, 1):
        if (fold.factor == 1).all() and all(_bias(found, fold.bias, near(FOLDED_UNITS, fold.size)).values()):
            return depth
    return 0


def as_stored(expected: Array, found: Array) -> Array:
    """Floats in the file's precision."""
    if expected.dtype.kind != "f" or found.dtype.kind != "f" or expected.dtype == found.dtype:
        return expected
    with np.errstate(over="ignore"):
        return expected.astype(found.dtype)


def dequantized(layer: Layer) -> Array:
    """The real numbers of an integer weight, whichever axis or groups its scales belong to."""
    assert layer.grid is not None
    scale, zero_point = (
        _along(part.astype(np.float64), layer.values) for part in (layer.grid.scale, layer.grid.zero_point)
    )
    real: Array = (layer.values.astype(np.float64) - zero_point) * scale
    return real


def _along(grid: NDArray[np.float64], values: Array) -> NDArray[np.float64]:
    if grid.size == 1:
        return grid.reshape(())
    if grid.ndim == 1:
        axis = values.shape.index(grid.size)
        return grid.reshape([-1 if at == axis else 1 for at in range(values.ndim)])
    return np.repeat(grid, values.shape[1] // grid.shape[1], axis=1)


def _grids(found: Weight, layer: Layer) -> dict[str, bool]:
    if found.grid is None or layer.grid is None:
        return {}
    return {
        "scale": same_up_to_layout(found.grid.scale, as_stored(layer.grid.scale, found.grid.scale), exact),
        "zero point": same_up_to_layout(found.grid.zero_point, layer.grid.zero_point, exact),
    }


def _near(found: Weight, layer: Layer) -> Callable[..., Same]:
    """How near a folded constant must be: a float32 program's is rounded to half precision once, after folding."""
    return rounded_within if found.values.dtype == np.float16 and layer.values.dtype == np.float32 else within


def _bias(found: Weight, expected: Array | None, same: Same | None) -> dict[str, bool]:
    if found.bias is None:
        return {}
    if not found.bias.any():
        return {}  # nothing is added here; the program's is looked for elsewhere
    if expected is None:
        return {"bias": False}
    if same is None:
        return {"bias": same_up_to_layout(found.bias, as_stored(expected, found.bias), exact)}
    return {"bias": found.bias.size == expected.size and same(found.bias.reshape(-1), expected)}


def _steps(found: Weight, layer: Layer) -> dict[str, bool]:
    """An int32 bias is the float one in steps of input scale × weight scale, rounded to the nearest."""
    assert found.bias is not None
    if layer.grid is None:
        return {"bias": False}
    of_input = layer.input or found.input
    step = None if of_input is None else of_input.scale.reshape(()) * layer.grid.scale.astype(np.float32)
    parts: dict[str, bool] = {}
    if found.bias_scale is not None and step is not None:
        parts["bias scale"] = same_up_to_layout(Affine.of(found.bias_scale).scale, Affine.of(step).scale, within(1))
    step = found.bias_scale if step is None else step
    wanted = np.zeros(found.bias.shape) if layer.bias is None else layer.bias
    if step is None or wanted.size != found.bias.size:
        return {**parts, "bias": False}
    steps = wanted.astype(np.float64).reshape(-1) / step.astype(np.float64).reshape(-1)
    steps = np.clip(steps, np.iinfo(np.int32).min, np.iinfo(np.int32).max)
    # the quotient itself may be computed in float32
    allowed = 0.5 + np.abs(steps) * float(np.finfo(np.float32).eps)
    return {**parts, "bias": bool((np.abs(found.bias.astype(np.float64).reshape(-1) - steps) <= allowed).all())}


def _input(found: Weight, layer: Layer) -> dict[str, bool]:
    if found.input is None or layer.input is None:
        return {}
    return {
        "input scale": exact(found.input.scale, as_stored(layer.input.scale, found.input.scale)),
        "input zero point": exact(found.input.zero_point, layer.input.zero_point),
    }

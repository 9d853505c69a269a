"""The constants of a program or of a file, by what they are used for: weights with their biases, scales, floats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from edgeship.toolchain.samples import Array

Setting = Literal["number", "epsilon", "softmax axis", "factor"]
"""Any number that an operator is given; what is added before a root; of a softmax the axis as the file counts it; what
an activation multiplies by in its kernel."""
MOST_EPSILON = 0.01
"""A larger number that is added before a root is no epsilon."""


@dataclass(frozen=True)
class Affine:
    """real = scale * (stored - zero point); one number, or one per channel or group of a weight.

    Of unsigned integers the zero point is moved by half the range, so that files that store activations as uint8 and
    as int8 say the same.
    """

    scale: Array
    zero_point: Array

    @classmethod
    def of(cls, scale: object, zero_point: object = 0, unsigned: bool = False) -> Affine:
        """From what a file says; numbers that are all the same become one."""
        zeros = np.asarray(zero_point).astype(np.int64) - (128 if unsigned else 0)
        scales = np.asarray(scale)
        return cls(_one(scales if scales.dtype == np.float16 else scales.astype(np.float32)), _one(zeros))

    @property
    def half(self) -> Affine:
        """The same where scales are stored in half precision."""
        return Affine(self.scale.astype(np.float16), self.zero_point)

    @property
    def key(self) -> tuple[bytes, bytes]:
        """Equal for equal numbers."""
        return self.scale.tobytes(), self.zero_point.tobytes()


def _one(array: Array) -> Array:
    flat = array.reshape(-1)
    return flat[:1].reshape(()) if flat.size and (flat == flat[0]).all() else array


@dataclass(frozen=True)
class Weight:
    """A constant operand, integer or float, with what is added to its product."""

    place: str
    """The layer, or what the file calls the operator."""
    values: Array
    grid: Affine | None = None
    """Of integers: what they stand for; None where they are scaled elsewhere in the graph."""
    bias: Array | None = None
    """Float, or int32 in steps of `bias_scale`; None where nothing is added, or elsewhere in the graph."""
    bias_scale: Array | None = None
    input: Affine | None = None
    """How the activation is stored that it is multiplied with; None where that is float or scaled at run time."""
    settings: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """What `convolution` makes of the layer's; empty where the format names none."""


def convolution(
    stride: Iterable[int] | None, padding: Iterable[int] | None, dilation: Iterable[int] | None, groups: int
) -> dict[str, tuple[int, ...]]:
    """Settings of a convolution, in an order of axes that no format has, neutral ones left out: one that adds an axis
    says the same. The padding is that of all sides; None: not to be compared."""
    told = {"stride": (stride, 1), "padding": (padding, 0), "dilation": (dilation, 1), "groups": ([groups], 1)}
    return {
        name: tuple(sorted(int(each) for each in numbers if each != neutral))
        for name, (numbers, neutral) in told.items()
        if numbers is not None
    }


@dataclass(frozen=True)
class Inventory:
    """What a file holds, in any order and layout."""

    weights: list[Weight] = field(default_factory=list)
    """All integer constants but biases, and the weights of float layers where the file tells them."""
    activations: list[tuple[str, Affine]] = field(default_factory=list)
    """Of every integer activation: place and grid."""
    floats: list[Array] = field(default_factory=list)
    """Every float constant."""
    settings: list[tuple[str, Setting, float]] = field(default_factory=list)
    """Of operators that are no layers: place, name and number."""

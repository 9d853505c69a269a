"""The constants of a program or of a file, by what they are used for: weights with their biases, scales, floats."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from edgeship.toolchain.samples import Array


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


@dataclass(frozen=True)
class Inventory:
    """What a file holds, in any order and layout."""

    weights: list[Weight] = field(default_factory=list)
    """All integer constants but biases, and the weights of float layers where the file tells them."""
    activations: list[tuple[str, Affine]] = field(default_factory=list)
    """Of every integer activation: place and grid."""
    floats: list[Array] = field(default_factory=list)
    """Every float constant."""

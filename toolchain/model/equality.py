"""Whether two arrays hold the same numbers in another order of axes: what a converter may do to a constant."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import permutations

import numpy as np

from edgeship.toolchain.samples import Array

Same = Callable[[Array, Array], bool]


def same_up_to_layout(found: Array, expected: Array, same: Same) -> bool:
    """Whether axes of `expected` can be permuted, split or joined so that `same` holds; one number may be repeated."""
    if found.size != expected.size:
        return 1 in (found.size, expected.size) and same(*np.broadcast_arrays(found.reshape(-1), expected.reshape(-1)))
    found, expected = found.squeeze(), expected.squeeze()
    return any(same(found.reshape(turned.shape), turned) for turned in _turned(expected, found.shape))


def _turned(array: Array, shape: tuple[int, ...]) -> Iterator[Array]:
    for order in permutations(range(array.ndim)):
        turned = array.transpose(order)
        if array.ndim != len(shape) or turned.shape == shape:
            yield turned


def exact(found: Array, expected: Array) -> bool:
    """Equal in every number."""
    return bool(np.array_equal(found, expected))


def within(units: float, magnitude: Array | None = None) -> Same:
    """Equal to so many units in the last place of the found dtype (float16, float32), of numbers up to `magnitude`."""

    def same(found: Array, expected: Array) -> bool:
        half = found.dtype == np.float16
        limits = np.finfo(np.float16) if half else np.finfo(np.float32)
        wanted = expected.astype(np.float64)
        size = np.abs(wanted) if magnitude is None else np.broadcast_to(magnitude, wanted.shape).astype(np.float64)
        allowed = units * np.maximum(size * float(limits.eps), float(limits.smallest_subnormal))
        return bool((np.abs(found.astype(np.float64) - wanted) <= allowed).all())

    return same


def rounded_within(units: float, magnitude: Array | None = None) -> Same:
    """The same in float32, rounded to half precision afterwards: no unit of float16 is allowed beside that."""
    single, smallest = float(np.finfo(np.float32).eps), float(np.finfo(np.float32).smallest_subnormal)

    def same(found: Array, expected: Array) -> bool:
        wanted = expected.astype(np.float64)
        size = np.abs(wanted) if magnitude is None else np.broadcast_to(magnitude, wanted.shape).astype(np.float64)
        allowed = units * np.maximum(size * single, smallest)
        with np.errstate(over="ignore"):
            low, high = ((wanted + sign * allowed).astype(np.float16).astype(np.float64) for sign in (-1, 1))
        stored = found.astype(np.float64)
        return bool(((low <= stored) & (stored <= high)).all())

    return same


def fingerprint(array: Array) -> tuple[str, int, int]:
    """The same for arrays that hold the same numbers in any order: dtype, size and the sum of the bits."""
    bits = np.ascontiguousarray(array).reshape(-1).view(f"u{array.dtype.itemsize}")
    return array.dtype.str, array.size, int(bits.sum(dtype=np.uint64))


def share_equal(found: Array, expected: Array) -> float:
    """The largest share of equal numbers over all layouts: how near a wrong constant is to the right one."""
    if found.size != expected.size or not found.size:
        return 0.0
    found, expected = found.squeeze(), expected.squeeze()
    shares = (
        float(np.isclose(found.reshape(turned.shape), turned, rtol=1e-3, atol=0).mean())
        for turned in _turned(expected, found.shape)
        if math.prod(turned.shape) == found.size
    )
    return max(shares, default=0.0)

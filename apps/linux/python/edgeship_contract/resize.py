"""Resizing as Pillow 13 does it, byte for byte: one axis after the other, in whole numbers.

Source: `Resample.c` and `Geometry.c` of Pillow; the order of the axes was found by trying, and is another before 13.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
PRECISION_BITS = 32 - 8 - 2
"""Of a weight: 8 bits for a pixel, 2 for sums of weights above 1."""
HAMMING = float(np.float32(0.54)), float(np.float32(0.46))
"""Pillow has them as float32."""


def _box(x: float) -> float:
    return 1.0 if -0.5 < x <= 0.5 else 0.0


def _bilinear(x: float) -> float:
    return 1 - abs(x) if abs(x) < 1 else 0.0


def _hamming(x: float) -> float:
    x = abs(x)
    if x == 0:
        return 1.0
    if x >= 1:
        return 0.0
    return math.sin(x * math.pi) / (x * math.pi) * (HAMMING[0] + HAMMING[1] * math.cos(x * math.pi))


def _bicubic(x: float) -> float:
    x, a = abs(x), -0.5
    if x < 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    if x < 2:
        return (((x - 5) * x + 8) * x - 4) * a
    return 0.0


def _sinc(x: float) -> float:
    return 1.0 if x == 0 else math.sin(x * math.pi) / (x * math.pi)


def _lanczos(x: float) -> float:
    return _sinc(x) * _sinc(x / 3) if -3 <= x < 3 else 0.0


FILTERS: dict[str, tuple[float, Callable[[float], float]]] = {
    "box": (0.5, _box),
    "bilinear": (1.0, _bilinear),
    "hamming": (1.0, _hamming),
    "bicubic": (2.0, _bicubic),
    "lanczos": (3.0, _lanczos),
}
"""How far each reaches at scale 1, and its weight at a distance."""


def resize(pixels: Bytes, height: int, width: int, interpolation: str) -> Bytes:
    """Pixels [height, width, channels] in another size."""
    if pixels.shape[:2] == (height, width):
        return pixels
    if interpolation == "nearest":
        rows, columns = _nearest(pixels.shape[0], height), _nearest(pixels.shape[1], width)
        return pixels[rows][:, columns]
    lost_rows, lost_columns = pixels.shape[0] - height, pixels.shape[1] - width
    columns_first = lost_rows > max(0, 2 * lost_columns)
    for axis in (0, 1) if columns_first else (1, 0):
        wanted = (height, width)[axis]
        if wanted != pixels.shape[axis]:
            pixels = _along_first(pixels.swapaxes(0, axis), wanted, *FILTERS[interpolation]).swapaxes(0, axis)
    return pixels


def _nearest(size: int, wanted: int) -> list[int]:
    """Which pixel each one is; places are summed up, as Pillow does, with its rounding."""
    step = size / wanted
    place, found = step * 0.5, []
    for _ in range(wanted):
        found.append(int(place))
        place += step
    return found


def _along_first(pixels: Bytes, wanted: int, support: float, weight: Callable[[float], float]) -> Bytes:
    size = pixels.shape[0]
    scale = size / wanted
    stretch = max(scale, 1.0)
    reach = support * stretch
    resized = np.empty((wanted, *pixels.shape[1:]), np.uint8)
    for index in range(wanted):
        centre = (index + 0.5) * scale
        first, last = max(int(centre - reach + 0.5), 0), min(int(centre + reach + 0.5), size)
        inverse = 1 / stretch
        weights = [weight((place - centre + 0.5) * inverse) for place in range(first, last)]
        # sums of whole numbers below 2^53: exact in float64, which multiplies fast
        sums = np.tensordot(_fixed(weights), pixels[first:last].astype(np.float64), axes=1)
        rounded = (sums.astype(np.int64) + (1 << (PRECISION_BITS - 1))) >> PRECISION_BITS
        resized[index] = rounded.clip(0, 255)
    return resized


def _fixed(weights: list[float]) -> NDArray[np.float64]:
    """Weights whose sum is 1, in whole 2^-22ths."""
    total = 0.0
    for one in weights:
        total += one
    shares = [one / total if total != 0 else one for one in weights]
    return np.array([int(share * (1 << PRECISION_BITS) + math.copysign(0.5, share)) for share in shares], np.float64)

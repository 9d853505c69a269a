"""A picture as apps have it: RGBA bytes, and how the camera was held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Colour = Literal["rgb", "bgr", "grey"]
RED, GREEN, BLUE, HALF, SHIFT = 19595, 38470, 7471, 0x8000, 16
"""Pillow's weights of a grey value (ITU-R BT.601) in 65536ths."""


@dataclass(frozen=True)
class Picture:
    """Rows of RGBA bytes, not premultiplied; alpha is not looked at."""

    rgba: bytes
    width: int
    height: int
    stride_bytes: int = 0
    """From one row to the next; 0: 4 × width."""
    orientation: int = 1
    """As EXIF has it: 1 upright, 3 upside down, 6 turn it right, 8 turn it left, 2, 4, 5 and 7 mirrored."""

    def __post_init__(self) -> None:
        """ValueError for what is no picture."""
        if self.width < 1 or self.height < 1 or self.orientation not in range(1, 9):
            raise ValueError(f"no picture: {self.width} × {self.height}, orientation {self.orientation}")
        if self.stride < 4 * self.width or len(self.rgba) < self.stride * (self.height - 1) + 4 * self.width:
            raise ValueError(f"{len(self.rgba)} bytes in rows of {self.stride} are not {self.width} × {self.height}")

    @property
    def stride(self) -> int:
        """Bytes from one row to the next."""
        return self.stride_bytes or 4 * self.width

    def pixels(self, grey: bool) -> Bytes:
        """Upright pixels [height, width, 3], or [height, width, 1] of grey."""
        raw = np.frombuffer(self.rgba, np.uint8)
        rows = np.lib.stride_tricks.as_strided(raw, (self.height, self.width, 4), (self.stride, 4, 1), writeable=False)
        rgb = rows[..., :3]
        return _upright(_grey(rgb) if grey else rgb, self.orientation)


def _grey(rgb: Bytes) -> Bytes:
    red, green, blue = np.moveaxis(rgb.astype(np.uint32), -1, 0)
    return np.asarray((red * RED + green * GREEN + blue * BLUE + HALF) >> SHIFT, np.uint8)[..., None]


def _upright(pixels: Bytes, orientation: int) -> Bytes:
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels

"""A picture as a model's input, as the contract of its bundle says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .picture import Bytes, Colour, Picture
from .resize import resize


@dataclass(frozen=True)
class ImageInput:
    """Resize → centre crop → colour order → × scale → (− mean) / std → layout, in float32."""

    resize: int | tuple[int, int] | None = None
    """Pixels of the shorter side (the picture keeps its proportions), or height and width."""
    crop: tuple[int, int] | None = None
    """Height and width cut from the centre; black where the picture ends."""
    interpolation: str = "bilinear"
    colour: Colour = "rgb"
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    layout: Literal["chw", "hwc"] = "chw"

    @classmethod
    def of(cls, about: Mapping[str, Any]) -> ImageInput:
        """As a manifest has it: lists are tuples."""
        options: dict[str, Any] = {k: tuple(value) if isinstance(value, list) else value for k, value in about.items()}
        return cls(**options)

    def apply(self, picture: Picture) -> NDArray[np.float32]:
        """One picture → float32 [channels, height, width], or [height, width, channels]."""
        mean, std = np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)
        values = (self.bytes(picture).astype(np.float32) * np.float32(self.scale) - mean) / std
        return np.ascontiguousarray(values.transpose(2, 0, 1) if self.layout == "chw" else values)

    def bytes(self, picture: Picture) -> Bytes:
        """One picture → uint8 [height, width, channels], of a model that does the arithmetic in its graph."""
        pixels = self._cropped(self._resized(picture.pixels(self.colour == "grey")))
        return np.ascontiguousarray(pixels[..., ::-1] if self.colour == "bgr" else pixels)

    def _resized(self, pixels: Bytes) -> Bytes:
        height, width = pixels.shape[:2]
        if self.resize is None:
            return pixels
        if isinstance(self.resize, tuple):
            return resize(pixels, *self.resize, self.interpolation)
        shorter = min(height, width)
        size = (self.resize * height // shorter, self.resize * width // shorter)
        return resize(pixels, *size, self.interpolation)

    def _cropped(self, pixels: Bytes) -> Bytes:
        if self.crop is None:
            return pixels
        cut = np.zeros((*self.crop, pixels.shape[2]), np.uint8)
        rows, columns = (_overlap(pixels.shape[axis], self.crop[axis]) for axis in (0, 1))
        cut[rows[1], columns[1]] = pixels[rows[0], columns[0]]
        return cut


def _overlap(size: int, wanted: int) -> tuple[slice, slice]:
    """Where a centred cut lies in the picture, and the picture in the cut."""
    if size >= wanted:
        start = round((size - wanted) / 2)  # to the even one of two as near, as torchvision cuts
        return slice(start, start + wanted), slice(None)
    start = (wanted - size) // 2
    return slice(None), slice(start, start + size)

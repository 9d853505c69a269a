"""Made-up images with structure (smooth fields, edges, a little noise): calibration and held-out inputs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.float32]


def structured(count: int, size: int, seed: int) -> Images:
    """Images [count, 1, 3, size, size] of mean 0 and deviation 1, as after ImageNet's normalization; always the same.

    White noise would do for latency, but convolutions see nearly the same in every image of it.
    """
    rng = np.random.default_rng(seed)
    images = np.empty((count, 1, 3, size, size), np.float32)
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32) / size
    for index in range(count):
        image = 0.1 * rng.standard_normal((3, size, size)).astype(np.float32)
        for octave in range(1, 5):  # waves in a few directions, finer ones weaker
            angle, phase = rng.uniform(0, 2 * np.pi, 2)
            wave = np.sin(2**octave * np.pi * (rows * np.sin(angle) + columns * np.cos(angle)) + phase)
            image += rng.normal(0, 1.5 / octave, (3, 1, 1)).astype(np.float32) * wave
        for _ in range(rng.integers(3, 9)):  # rectangles: edges and flat parts
            top, left = rng.integers(0, size - size // 8, 2)
            height, width = rng.integers(size // 8, size // 2, 2)
            image[:, top : top + height, left : left + width] = rng.normal(0, 1.5, (3, 1, 1))
        images[index, 0] = (image - image.mean()) / image.std()
    return images


def calibration() -> Images:
    """32 images for ranges."""
    return structured(32, 224, seed=2)


def few() -> Images:
    """4 images: enough to see what building costs."""
    return structured(4, 224, seed=2)


def evaluation() -> Images:
    """16 other images to compare on."""
    return structured(16, 224, seed=3)


def evaluation_channels_last() -> Images:
    """The same 16 images as [16, 1, 224, 224, 3]."""
    return np.ascontiguousarray(evaluation().transpose(0, 1, 3, 4, 2))


def calibration_channels_last() -> Images:
    """The same 32 images as [32, 1, 224, 224, 3]."""
    return np.ascontiguousarray(calibration().transpose(0, 1, 3, 4, 2))

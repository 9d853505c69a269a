"""The UCI handwritten digits inside scikit-learn, 8×8 pixels, enlarged to 32×32; one split, fixed by its seed."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

Labelled = tuple[NDArray[np.float32], NDArray[np.int64]]


@functools.cache
def _split() -> tuple[Labelled, Labelled]:
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = zoom(digits.images / 16, (1, 4, 4), order=1, mode="nearest", grid_mode=True).astype(np.float32)
    labels = digits.target.astype(np.int64)
    x_train, x_test, y_train, y_test = train_test_split(
        images[:, None], labels, test_size=1 / 3, stratify=labels, random_state=0
    )
    return (x_train, y_train), (x_test, y_test)


def distort(images: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Each image turned, scaled, sheared and moved a little, as another hand would have written it."""
    from scipy.ndimage import affine_transform

    rng = np.random.default_rng(seed)
    centre = np.array([15.5, 15.5])
    distorted = np.empty_like(images)
    for index, (image,) in enumerate(images):
        angle = rng.uniform(-0.26, 0.26)
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = rotation @ np.diag(rng.uniform(0.85, 1.15, 2)) @ np.array([[1, rng.uniform(-0.2, 0.2)], [0, 1]])
        offset = centre + rng.uniform(-3, 3, 2) - matrix @ centre
        distorted[index, 0] = affine_transform(image, matrix, offset, order=1)
    return distorted


def train_split() -> Labelled:
    """The 1198 images the net may learn from, as they are: [n, 1, 32, 32] with values 0 to 1."""
    return _split()[0]


def calibration() -> Labelled:
    """Images from the training split: quantization never sees a test image."""
    return train_split()


def training() -> Labelled:
    """The training split and three distorted copies of it, for finetuning and quantization-aware training."""
    images, labels = train_split()
    copies = [images, *(distort(images, seed) for seed in (1, 2, 3))]
    return np.concatenate(copies), np.tile(labels, len(copies))


def evaluation() -> Labelled:
    """The 599 test images."""
    return _split()[1]

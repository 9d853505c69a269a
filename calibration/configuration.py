"""Is data made as the model's own configuration says: timm's `default_cfg`, torchvision's ImageNet normalization."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeship.toolchain.api import Samples

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""What all classifiers of torchvision were trained with."""
TOLERANCE = 0.02
"""Rounding of pixels and resizing with overshoot, in units of 0 … 1 before normalization."""
CHANNELS = 3


def normalization(module: Any) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """(mean, std) by channel of pixels 0 … 1 that a model's module says it takes; None where it says nothing."""
    config = getattr(module, "pretrained_cfg", None) or getattr(module, "default_cfg", None)
    if isinstance(config, dict) and len(config.get("mean") or ()) == len(config.get("std") or ()) == CHANNELS:
        return tuple(config["mean"]), tuple(config["std"])
    return IMAGENET if type(module).__module__.startswith("torchvision.models.") else None


def check_configuration(module: Any, data: Samples, need: str) -> list[str]:
    """What about the first image input of `data` cannot be, if it was normalized as the model wants it."""
    wanted = normalization(module)
    if wanted is None:
        return []
    for name, array in data.inputs.items():
        images = array.reshape(-1, *array.shape[-3:]) if array.ndim >= 4 else array
        if images.ndim == 4 and images.shape[1] == CHANNELS and images.dtype.kind == "f":
            return _check_images(name, images.astype(np.float64), np.array(wanted), need)
    return []


def _check_images(name: str, images: NDArray[np.float64], wanted: NDArray[np.float64], need: str) -> list[str]:
    mean, std = wanted
    says = f"the model's own configuration says mean {_told(mean)}, std {_told(std)}"
    low, high = images.min((0, 2, 3)), images.max((0, 2, 3))
    if (mean > TOLERANCE).all() and low.min() >= -1e-6:
        return [
            f"input {name}: {need} values lie in {low.min():.3g} … {high.max():.3g} and were not normalized: {says}"
        ]
    pixels = np.stack([low, high]) * std + mean
    if pixels.min() >= -TOLERANCE and pixels.max() <= 1 + TOLERANCE:
        return []
    turned = np.stack([low, high])[:, ::-1] * std + mean
    if turned.min() >= -TOLERANCE and turned.max() <= 1 + TOLERANCE:
        return [f"input {name}: {need} values fit the normalization only with red and blue swapped: {says}"]
    return [
        f"input {name}: {need} values come from pixels of {pixels.min():.3g} … {pixels.max():.3g} instead of 0 … 1, if "
        f"{says}"
    ]


def _told(values: NDArray[np.float64]) -> str:
    return f"({', '.join(f'{value:g}' for value in values)})"

"""Data is held against what the model says of its inputs: normalization forgotten, channels swapped, another one."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from torch import nn

from edgeship.calibration.configuration import IMAGENET, check_configuration
from edgeship.toolchain.api import Array, Samples

PIXELS = np.random.default_rng(0).random((16, 1, 3, 8, 8))
PIXELS[:, :, :, 0, 0], PIXELS[:, :, :, 1, 1] = 0, 1
MEAN, STD = (np.array(values).reshape(3, 1, 1) for values in IMAGENET)


class Configured(nn.Module):
    """As timm's models have it."""

    default_cfg: ClassVar = {"mean": IMAGENET[0], "std": IMAGENET[1]}


def told(array: Array, module: nn.Module | None = None) -> str:
    data = Samples({"image": array.astype(np.float32)})
    return " ".join(check_configuration(module or Configured(), data, "calibration"))


def test_what_is_normalized_as_the_model_says_raises_no_alarm() -> None:
    assert told((PIXELS - MEAN) / STD) == ""
    assert told((0.3 + 0.4 * PIXELS - MEAN) / STD) == ""


def test_a_forgotten_normalization_is_named() -> None:
    assert "were not normalized: the model's own configuration says mean (0.485, 0.456, 0.406)" in told(PIXELS)
    assert "were not normalized" in told(255 * PIXELS)


def test_swapped_channels_are_named() -> None:
    assert "only with red and blue swapped" in told(((PIXELS - MEAN) / STD)[:, :, ::-1])


def test_another_normalization_is_named() -> None:
    assert "instead of 0 … 1" in told((PIXELS - MEAN) / STD**2)


def test_a_model_that_says_nothing_is_not_guessed_at() -> None:
    assert told(PIXELS, nn.Conv2d(3, 3, 1)) == ""


def test_torchvision_s_classifiers_take_imagenet_s() -> None:
    import torchvision

    assert "were not normalized" in told(PIXELS, torchvision.models.squeezenet1_1(weights=None))

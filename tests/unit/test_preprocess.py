"""Preprocessing gives what timm's and torchvision's own transforms give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgeship.calibration.preprocess import Preprocess, from_timm, from_torchvision
from edgeship.toolchain.api import DataError, Signature, Tensor


def picture(width: int, height: int) -> Image.Image:
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (7, 9, 3), dtype=np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("size", [(640, 427), (300, 451), (232, 232), (100, 171)])
@pytest.mark.parametrize("name", ["ResNet18_Weights.IMAGENET1K_V1", "MobileNet_V3_Large_Weights.IMAGENET1K_V2"])
def test_torchvisions_transform_is_met_to_the_pixel(name: str, size: tuple[int, int]) -> None:
    import torchvision

    theirs = torchvision.models.get_weight(name).transforms()(picture(*size)).numpy()
    np.testing.assert_allclose(from_torchvision(name).apply(picture(*size)), theirs, atol=1e-5)


@pytest.mark.parametrize(
    "name", ["efficientnet_lite0.ra_in1k", "vit_tiny_patch16_224.augreg_in21k_ft_in1k", "inception_v3.tv_in1k"]
)
def test_timms_transform_is_met_to_the_pixel(name: str) -> None:
    import timm

    config = timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
    theirs = timm.data.create_transform(**config)(picture(640, 427)).numpy()
    np.testing.assert_allclose(from_timm(name).apply(picture(640, 427)), theirs, atol=1e-5)


def test_a_timm_model_brings_its_own_configuration() -> None:
    import timm

    model = timm.create_model("mobilenetv4_conv_small.e2400_r224_in1k", pretrained=False)
    found = from_timm(model)
    assert found == from_timm("mobilenetv4_conv_small.e2400_r224_in1k")
    assert found.crop == (224, 224)
    with pytest.raises(DataError, match="no timm configuration"):
        from_timm(object())


def test_unknown_weights_are_refused() -> None:
    with pytest.raises(DataError, match=r"ResNet18_Weights\.NONE"):
        from_torchvision("ResNet18_Weights.NONE")


def test_it_survives_json() -> None:
    declared = Preprocess(resize=256, crop=(224, 224), mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.2), colour="bgr")
    assert Preprocess.model_validate_json(declared.model_dump_json()) == declared


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [[1, 0.2, 0]]),
        ({"colour": "bgr"}, [[0, 0.2, 1]]),
        ({"scale": 1.0}, [[255, 51, 0]]),
        ({"mean": (0.5,), "std": (0.5,)}, [[1, -0.6, -1]]),
        ({"mean": (1.0, 0.2, 0.0)}, [[0, 0, 0]]),
    ],
)
def test_each_option_does_what_it_says(options: dict[str, Any], expected: list[list[float]]) -> None:
    orange = Image.new("RGB", (1, 1), (255, 51, 0))
    np.testing.assert_allclose(Preprocess(**options).apply(orange)[:, 0].T, expected, atol=1e-6)
    last = Preprocess(**options, layout="hwc").apply(np.asarray(orange))
    np.testing.assert_allclose(last[0], expected, atol=1e-6)


def test_grey_pictures_have_one_channel() -> None:
    grey = Preprocess(colour="grey", resize=(2, 3)).apply(np.full((4, 6), 51, np.uint8))
    np.testing.assert_allclose(grey, np.full((1, 2, 3), 0.2), atol=1e-6)


def test_what_cannot_be_a_picture_is_refused() -> None:
    with pytest.raises(DataError, match="float64"):
        Preprocess().apply(np.zeros((4, 4, 3)))
    with pytest.raises(ValueError, match="mean has 2 values, rgb has 3 channels"):
        Preprocess(mean=(0.5, 0.5))
    with pytest.raises(ValueError, match="std has 3 values, grey has 1 channel:"):
        Preprocess(colour="grey", std=(0.5, 0.5, 0.5))
    with pytest.raises(ValueError, match="sizes are 1 or more"):
        Preprocess(crop=(0, 4))
    with pytest.raises(ValueError, match="above zero"):
        Preprocess(std=(0.0,))


BATCH = Signature((), (), {"batch": (1, 8), "side": (32, 64)})


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"crop": (224, 224)}, ("batch", 3, 224, 224)),
        ({"crop": (224, 224)}, (1, 3, 224, 224)),
        ({"crop": (224, 224)}, (3, 224, 224)),
        ({"crop": (224, 200), "layout": "hwc"}, (1, 224, 200, 3)),
        ({"resize": (48, 64)}, ("batch", 3, "side", "side")),
        ({"resize": 224}, (1, 3, 224, 300)),  # which pictures may give
        ({"resize": 224}, (1, 3, "side", "side")),
        ({}, (1, 3, 224, 224)),
        ({"crop": (28, 28), "colour": "grey"}, (1, 28, 28)),
    ],
)
def test_preprocessing_that_may_fit_an_input_is_let_through(options: Any, shape: tuple[Any, ...]) -> None:
    Preprocess(**options).check(Tensor(name="x", dtype="float32", shape=shape), BATCH)


@pytest.mark.parametrize(
    ("options", "shape", "message"),
    [
        ({"crop": (224, 224)}, (1, 3, 256, 256), "preprocess makes 3 × 224 × 224, input x takes 3 × 256 × 256"),
        ({"resize": 256}, (1, 3, 224, 224), "3 × ≥256 × ≥256"),
        ({"crop": (224, 224)}, (1, 1, 224, 224), "takes 1 × 224 × 224"),
        ({"crop": (224, 224)}, (1, 224, 224, 3), "takes 224 × 224 × 3"),
        ({"resize": (16, 64)}, ("batch", 3, "side", "side"), "3 × 16 × 64"),
        ({"colour": "grey"}, (1, 3, 8, 8), "1 × height × width"),
        ({"crop": (8, 8)}, (1, 64), "takes no pictures"),
    ],
)
def test_preprocessing_that_cannot_fit_an_input_is_refused(options: Any, shape: tuple[Any, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Preprocess(**options).check(Tensor(name="x", dtype="float32", shape=shape), BATCH)

"""A model's own word on its pictures is found where libraries leave it, and never made up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from edgeship.calibration.own_preprocess import declared_by, fitted
from edgeship.calibration.preprocess import Preprocess, from_timm, from_torchvision
from edgeship.toolchain.api import DataError

V2 = "torchvision.models:mobilenet_v2"


def test_torchvisions_weights_say_it() -> None:
    found = declared_by(nn.Identity(), V2)
    assert found is not None
    assert found.origin == "torchvision's MobileNet_V2_Weights.IMAGENET1K_V2"
    assert Preprocess.model_validate(found.options) == from_torchvision("MobileNet_V2_Weights.DEFAULT")
    for name in ("IMAGENET1K_V1", "MobileNet_V2_Weights.IMAGENET1K_V1"):
        first = declared_by(nn.Identity(), V2, name)
        assert first is not None
        assert first.options["resize"] == 256


def test_a_segmentation_network_has_mean_and_std_and_takes_its_size_from_the_input() -> None:
    found = declared_by(nn.Identity(), "torchvision.models.segmentation:lraspp_mobilenet_v3_large")
    assert found is not None
    assert "crop" not in found.options
    assert fitted(found.options, (1, 3, 320, 240))["crop"] == [320, 240]


def test_timms_configuration_is_found_inside_a_users_own_model() -> None:
    import timm

    inner = timm.create_model("mobilenetv3_small_050", pretrained=False)
    found = declared_by(nn.Sequential(nn.Identity(), inner), "./net.py:build")
    assert found is not None
    assert Preprocess.model_validate(found.options) == from_timm(inner)
    assert "mobilenetv3_small_050" in found.origin


def test_what_says_nothing_or_two_things_declares_nothing() -> None:
    net: Any = nn.Sequential(nn.Identity(), nn.Identity())
    assert declared_by(net, "./net.py:build") is None
    net[0].default_cfg = {"input_size": (3, 32, 32)}  # no mean and std: ImageNet's would be a guess
    assert declared_by(net, "./net.py:build") is None
    net[0].default_cfg = {"input_size": (3, 32, 32), "mean": (0.1,) * 3, "std": (0.2,) * 3, "crop_pct": 1.0}
    found = declared_by(net, "./net.py:build")
    assert found is not None
    assert (found.options["mean"], found.options["crop"]) == ([0.1] * 3, [32, 32])
    net[1].default_cfg = {**net[0].default_cfg, "mean": (0.3,) * 3}
    assert declared_by(net, "./net.py:build") is None


def test_a_processor_configuration_beside_the_weights_says_it(tmp_path: Path) -> None:
    file = tmp_path / "preprocessor_config.json"
    config = {
        "size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}, "resample": 3,
        "image_mean": [0.5, 0.5, 0.5], "image_std": [0.4, 0.4, 0.4], "rescale_factor": 1 / 255,
    }  # fmt: skip
    file.write_text(json.dumps(config))
    found = declared_by(nn.Identity(), "./net.py:build", near=tmp_path / "model.safetensors")
    assert found is not None
    assert Preprocess.model_validate(found.options) == Preprocess(
        resize=256, crop=(224, 224), interpolation="bicubic", mean=(0.5,) * 3, std=(0.4,) * 3
    )
    file.write_text("{}")
    with pytest.raises(DataError, match="not a processor configuration"):
        declared_by(nn.Identity(), "./net.py:build", near=tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    ("options", "shape", "wanted"),
    [
        ({}, ("batch", 3, 64, 48), {"resize": 64, "crop": [64, 48]}),
        ({}, (1, 32, 48, 3), {"layout": "hwc", "resize": 48, "crop": [32, 48]}),
        ({}, (1, 28, 28), {"colour": "grey", "resize": 28, "crop": [28, 28]}),
        ({"resize": 256, "crop": [224, 224]}, (1, 3, 112, 112), {"resize": 128, "crop": [112, 112]}),
        ({"resize": 256, "crop": [224, 224]}, (1, 3, 224, 224), {"resize": 256, "crop": [224, 224]}),
        ({"mean": [0.5]}, (1, 3, "height", "width"), {"mean": [0.5]}),
        ({"mean": [0.5]}, (1, 128), {"mean": [0.5]}),
    ],
)
def test_the_inputs_shape_gives_size_layout_and_channels(
    options: dict[str, Any], shape: tuple[int | str, ...], wanted: dict[str, Any]
) -> None:
    assert fitted(options, shape) == wanted

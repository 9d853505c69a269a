"""The preprocessing that a model itself declares, and its fit to the shape of the model's input."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeship.calibration.preprocess import Preprocess, from_timm
from edgeship.toolchain.api import DataError

if TYPE_CHECKING:
    from torch import nn

PILLOW_FILTERS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}
"""The number of a filter in a Hugging Face configuration → its name."""


@dataclass(frozen=True)
class Declared:
    """Preprocessing as options of `Preprocess` (those that are known), and who says so."""

    options: dict[str, Any]
    origin: str


def declared_by(module: nn.Module, factory: str, weights_name: str = "", near: Path | None = None) -> Declared | None:
    """What a model says about its pictures: torchvision's weights, timm's configuration, Hugging Face's processor.

    `factory` is the reference the module was made from, `weights_name` its `weights` argument, and `near` a file in
    whose folder a `preprocessor_config.json` may lie. None where nothing is declared, or parts of it disagree.
    """
    if factory.startswith("torchvision.") and (found := _of_torchvision(factory.rpartition(":")[2], weights_name)):
        return found
    return _of_timm(module) or _of_huggingface(module, near)


def fitted(options: dict[str, Any], shape: Sequence[int | str]) -> dict[str, Any]:
    """Preprocessing options with what the input's shape says: layout, channels and, where it has numbers, the size.

    A declared crop of another size is scaled together with its resizing. Shapes: [batch, C, H, W] or [batch, H, W, C],
    the batch may be left out; other shapes are left alone.
    """
    if len(shape) not in (3, 4):
        return options
    sizes = list(shape[-3:])
    last = options.get("layout") == "hwc" or ("layout" not in options and sizes[0] not in (1, 3) and sizes[2] in (1, 3))
    channels, size = (sizes[2], sizes[:2]) if last else (sizes[0], sizes[1:])
    found = {**options, **({"layout": "hwc"} if last else {})}
    if channels == 1:
        found.setdefault("colour", "grey")
    height, width = size
    if not isinstance(height, int) or not isinstance(width, int):
        return found
    crop, resize = found.get("crop"), found.get("resize")
    if crop is None and resize is None:
        found |= {"resize": max(height, width), "crop": [height, width]}
    elif crop is not None and list(crop) != [height, width]:
        scale = max(height / crop[0], width / crop[1])
        found["crop"] = [height, width]
        if isinstance(resize, int):
            found["resize"] = round(resize * scale)
        elif resize is not None:
            found["resize"] = [round(resize[0] * height / crop[0]), round(resize[1] * width / crop[1])]
    return found


def _of_torchvision(name: str, weights_name: str) -> Declared | None:
    """torchvision says which weights belong to a model by its name, and how each one's pictures were prepared."""
    from torchvision import models

    try:
        if "." in weights_name:
            entry = models.get_weight(weights_name)
        else:
            entry = models.get_model_weights(name)[weights_name or "DEFAULT"]
    except (ValueError, KeyError, AttributeError):
        return None
    transform = entry.transforms()
    if not hasattr(transform, "mean") or not hasattr(transform, "std"):  # detection: the model prepares its pictures
        return None
    options: dict[str, Any] = {"mean": list(transform.mean), "std": list(transform.std)}
    options["interpolation"] = transform.interpolation.value
    if hasattr(transform, "crop_size"):
        resize, crop = list(transform.resize_size), list(transform.crop_size)
        options |= {"resize": resize[0] if len(resize) == 1 else resize, "crop": [crop[0], crop[-1]]}
    return Declared(options, f"torchvision's {entry}")


def _of_timm(module: nn.Module) -> Declared | None:
    found = []
    for part in module.modules():
        config: Any = getattr(part, "pretrained_cfg", None) or getattr(part, "default_cfg", None)
        values = config.to_dict() if hasattr(config, "to_dict") else config
        # timm would fill in ImageNet's mean and std where they are absent: nothing is guessed here
        if isinstance(values, dict) and values.get("mean") and values.get("std") and values not in found:
            found.append(values)
    if len(found) != 1:
        return None
    (values,) = found
    origin = " ".join(filter(None, ("timm's configuration", str(values.get("architecture") or ""))))
    try:
        options = from_timm(values).model_dump(mode="json", exclude_defaults=True)
    except DataError:  # a way of cropping that cannot be declared: the size then comes from the input
        options = {}
    return Declared({**options, "mean": list(values["mean"]), "std": list(values["std"])}, origin)


def _of_huggingface(module: nn.Module, near: Path | None) -> Declared | None:
    names = (getattr(getattr(part, "config", None), "name_or_path", None) for part in module.modules())
    folders = [*(Path(name) for name in names if name), *([near.parent] if near else [])]
    file = next((path for folder in folders if (path := folder / "preprocessor_config.json").is_file()), None)
    if file is None:
        return None
    try:
        config = json.loads(file.read_text())
        options = _from_processor(config)
        Preprocess.model_validate(options)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{file}: not a processor configuration ({error})", "say --preprocess yourself") from error
    return Declared(options, str(file))


def _from_processor(config: dict[str, Any]) -> dict[str, Any]:
    """A Hugging Face image processor's configuration as options."""

    def pair(size: Any) -> Any:
        if not isinstance(size, dict):
            return [size, size]
        return size["shortest_edge"] if "shortest_edge" in size else [size["height"], size["width"]]

    options: dict[str, Any] = {}
    if config.get("do_normalize", True):
        options |= {"mean": list(config["image_mean"]), "std": list(config["image_std"])}
    options["scale"] = float(config.get("rescale_factor", 1 / 255)) if config.get("do_rescale", True) else 1.0
    options["interpolation"] = PILLOW_FILTERS.get(config.get("resample", 2), "bilinear")
    if config.get("do_resize", True) and config.get("size"):
        options["resize"] = pair(config["size"])
    if config.get("do_center_crop", bool(config.get("crop_size"))) and config.get("crop_size"):
        crop = pair(config["crop_size"])
        options["crop"] = [crop, crop] if isinstance(crop, int) else crop
    return options

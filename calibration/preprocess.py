"""Image preprocessing, declared once: the same numbers in calibration, evaluation and the shipped app."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeship.toolchain.api import Array, DataError, ImageInput, Signature, Tensor, missing_extra

if TYPE_CHECKING:
    from PIL.Image import Image


class Preprocess(ImageInput):
    """Does what an ImageInput says; plain numbers, which artifact.json carries to the app.

    Resizing and cropping follow Pillow and torchvision to the pixel, so that `from_timm` and `from_torchvision` give
    what these libraries' own transforms give.
    """

    @property
    def declared(self) -> ImageInput:
        """The plain numbers."""
        return ImageInput(**self.model_dump())

    def check(self, tensor: Tensor, signature: Signature) -> None:
        """DataError where the pictures it makes cannot be an input of this shape, whatever their size."""
        wanted = tensor.shape[-3:]
        if len(tensor.shape) not in (3, 4):
            raise DataError(f"input {tensor.name} {list(tensor.shape)} takes no pictures", "write a python source")
        height, width = wanted[1:] if self.layout == "chw" else wanted[:2]
        channels = wanted[0] if self.layout == "chw" else wanted[2]
        right = _may_be(self.channels, channels, signature)
        size = self.crop or (self.resize if isinstance(self.resize, tuple) else None)
        if size is not None:
            right = right and _may_be(size[0], height, signature) and _may_be(size[1], width, signature)
        elif isinstance(self.resize, int) and isinstance(height, int) and isinstance(width, int):
            right = right and min(height, width) == self.resize  # the other side follows the picture
        if not right:
            rows, columns = size or (("height", "width") if self.resize is None else (f"≥{self.resize}",) * 2)
            made = [self.channels, rows, columns] if self.layout == "chw" else [rows, columns, self.channels]
            raise DataError(
                f"preprocess makes {' × '.join(map(str, made))}, input {tensor.name} takes"
                f" {' × '.join(map(str, wanted))}",
                "correct crop, resize, colour or layout",
            )

    def apply(self, picture: Image | Array) -> NDArray[np.float32]:
        """One picture → float32 [C, H, W] (or [H, W, C]).

        Takes a Pillow image or an array [H, W] or [H, W, C] of uint8, RGB. DataError for other arrays.
        """
        image = _as_image(picture).convert("L" if self.colour == "grey" else "RGB")
        image = self._cropped(self._resized(image))
        values = np.asarray(image, dtype=np.float32)
        values = values[..., None] if values.ndim == 2 else values
        if self.colour == "bgr":
            values = values[..., ::-1]
        mean, std = np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)
        values = (values * np.float32(self.scale) - mean) / std
        return np.ascontiguousarray(values.transpose(2, 0, 1) if self.layout == "chw" else values)

    def _resized(self, image: Image) -> Image:
        from PIL.Image import Resampling

        if self.resize is None:
            return image
        width, height = image.size
        if isinstance(self.resize, tuple):
            size = (self.resize[1], self.resize[0])
        elif width <= height:
            size = (self.resize, int(self.resize * height / width))
        else:
            size = (int(self.resize * width / height), self.resize)
        return image if size == image.size else image.resize(size, Resampling[self.interpolation.upper()])

    def _cropped(self, image: Image) -> Image:
        if self.crop is None:
            return image
        top, left = _start(image.size[1], self.crop[0]), _start(image.size[0], self.crop[1])
        return image.crop((left, top, left + self.crop[1], top + self.crop[0]))


def read_image(path: Path) -> Image:
    """The picture in a file, turned as its EXIF orientation says; DataError when it cannot be decoded."""
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise missing_extra("vision", "pillow") from error
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image)
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises SyntaxError for broken PNG chunks
        raise DataError(f"{path}: not a readable picture ({error})", "remove it or repair it") from error


def from_timm(model: Any) -> Preprocess:
    """What timm's own evaluation transform does for a model, for the name of one, or for its configuration."""
    try:
        import timm
        from timm.data import resolve_data_config
    except ImportError as error:
        raise missing_extra("vision", "timm") from error
    if isinstance(model, str):
        config = timm.get_pretrained_cfg(model)
    else:
        config = model if isinstance(model, dict) else getattr(model, "pretrained_cfg", None)
    if config is None:
        raise DataError(f"{model}: carries no timm configuration", "write the [preprocess] values out")
    values = resolve_data_config(pretrained_cfg=config if isinstance(config, dict) else config.to_dict())
    channels, height, width = values["input_size"]
    larger = tuple(math.floor(size / values["crop_pct"]) for size in (height, width))
    if values["crop_mode"] == "border" or (values["crop_mode"] == "center" and height != width):
        raise DataError(
            f"timm's crop mode {values['crop_mode']!r} at {height}×{width} cannot be declared",
            "write the [preprocess] values out",
        )
    return Preprocess(
        resize=larger[0] if values["crop_mode"] == "center" else (larger[0], larger[1]),
        crop=(height, width),
        interpolation=values["interpolation"],
        colour="grey" if channels == 1 else "rgb",
        mean=values["mean"],
        std=values["std"],
    )


def from_torchvision(weights: Any) -> Preprocess:
    """What the transform of a torchvision weights entry does; `weights` or its name (`ResNet18_Weights.DEFAULT`)."""
    try:
        import torchvision
    except ImportError as error:
        raise missing_extra("vision", "torchvision") from error
    try:
        entry = torchvision.models.get_weight(weights) if isinstance(weights, str) else weights
        transform = entry.transforms()
        crop, resize = transform.crop_size, transform.resize_size
        return Preprocess(
            resize=resize[0] if len(resize) == 1 else (resize[0], resize[1]),
            crop=(crop[0], crop[-1]),
            interpolation=transform.interpolation.value,
            mean=tuple(transform.mean),
            std=tuple(transform.std),
        )
    except (AttributeError, KeyError, ValueError) as error:
        raise DataError(
            f"{weights}: no torchvision weights with a classification transform ({error})",
            "name them as in ResNet18_Weights.DEFAULT, or write the [preprocess] values out",
        ) from error


def _as_image(picture: Image | Array) -> Image:
    from PIL import Image

    if isinstance(picture, Image.Image):
        return picture
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or picture.ndim not in (2, 3):
        what = f"{picture.dtype} {picture.shape}" if isinstance(picture, np.ndarray) else type(picture).__name__
        raise DataError(f"preprocess: a picture is uint8 [H, W] or [H, W, C], not {what}", "give stored pixel values")
    return Image.fromarray(picture[..., 0] if picture.ndim == 3 and picture.shape[2] == 1 else picture)


def _may_be(size: int, wanted: int | str, signature: Signature) -> bool:
    low, high = signature.dims.get(wanted, (1, size)) if isinstance(wanted, str) else (wanted, wanted)
    return low <= size <= high


def _start(size: int, wanted: int) -> int:
    # torchvision's roundings: it pads a smaller picture first, then cuts
    return round((size - wanted) / 2) if size >= wanted else -((wanted - size) // 2)

"""A folder of pictures; its subfolders, if it has any, are the classes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field

from edgeship.calibration.datasets.conform import conform
from edgeship.calibration.datasets.indexed import IndexedDataset
from edgeship.calibration.preprocess import Preprocess, from_timm, from_torchvision, read_image
from edgeship.toolchain.api import Array, Contract, DataError, Samples, Signature

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"}


class ImageFolder(IndexedDataset):
    """`path/<class>/*.jpg` with the position of the class as label, or `path/*.jpg` without labels.

    Pictures are turned as their EXIF orientation says. Order: by class, then by file name.
    """

    packages: ClassVar[tuple[str, ...]] = ("pillow",)
    extra: ClassVar[str] = "vision"

    path: Path = Field(description="the folder")
    preprocess: Preprocess | str = Field(
        description="how a picture becomes the model's input: a table, or 'timm:NAME' or 'torchvision:WEIGHTS' to take"
        " it from there"
    )
    classes: tuple[str, ...] = Field(
        (), description="class folders in the order of the model's outputs; default: all, sorted by name"
    )

    def resolved_preprocess(self) -> Preprocess:
        """The preprocessing in plain numbers, as the app bundle carries it."""
        if isinstance(self.preprocess, Preprocess):
            return self.preprocess
        library, _, name = self.preprocess.partition(":")
        return from_timm(name) if library == "timm" else from_torchvision(name)

    def check(self, signature: Signature) -> None:
        if len(signature.inputs) != 1:
            raise DataError(f"{self.path}: pictures for {len(signature.inputs)} inputs", "write a python source")
        if isinstance(self.preprocess, Preprocess):
            self.preprocess.check(signature.inputs[0], signature)
        elif not re.fullmatch("(timm|torchvision):.+", self.preprocess):
            raise DataError(f"preprocess = {self.preprocess!r}", "write timm:NAME, torchvision:WEIGHTS or a table")

    def contract(self, signature: Signature) -> Contract:
        names = {label: file.parent.name for file, label in self._labelled() if label is not None}
        picture = self.resolved_preprocess().declared
        return Contract(
            inputs={tensor.name: picture for tensor in signature.inputs},
            labels=tuple(names[label] for label in sorted(names)),
        )

    def files(self) -> list[Path]:
        return [file for file, _ in self._labelled()]

    def index(self) -> tuple[int, Array | None]:
        labels = [label for _, label in self._labelled()]
        return len(labels), None if None in labels else np.asarray(labels, dtype=np.int64)

    def read_rows(self, signature: Signature, rows: Sequence[int]) -> Samples:
        self.check(signature)
        preprocess = self.resolved_preprocess()
        chosen = [self._labelled()[row] for row in rows]
        pictures = [preprocess.apply(read_image(file)) for file, _ in chosen]
        shapes = {picture.shape for picture in pictures}
        if len(shapes) > 1:
            raise DataError(f"{self.path}: pictures of {len(shapes)} sizes", "declare preprocess.resize and crop")
        labels = None if chosen[0][1] is None else np.asarray([label for _, label in chosen], dtype=np.int64)
        return conform(np.stack(pictures), labels, signature, str(self.path))

    def _labelled(self) -> list[tuple[Path, int | None]]:
        if not self.path.is_dir():
            raise DataError(
                f"{self.path}: there is no such folder", "check the path; in a recipe ./NAME starts from its folder"
            )
        flat = _pictures(self.path)
        found = sorted(folder.name for folder in self.path.iterdir() if folder.is_dir() and _pictures(folder))
        if flat and found:
            raise DataError(f"{self.path}: pictures beside class folders", "move them into a class, or away")
        if unknown := [name for name in self.classes if name not in found]:
            raise DataError(
                f"{self.path}: no pictures of class {', '.join(unknown)}", f"it has {', '.join(found[:20])}"
            )
        labelled: list[tuple[Path, int | None]] = [(file, None) for file in flat]
        for label, name in enumerate(self.classes or found):
            labelled += [(file, label) for file in _pictures(self.path / name)]
        if not labelled:
            raise DataError(f"{self.path}: no pictures", f"it takes {', '.join(sorted(SUFFIXES))}")
        return labelled


def _pictures(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())

"""Hugging Face data sets that were saved to disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from edgeship.calibration.datasets.conform import conform
from edgeship.calibration.datasets.indexed import IndexedDataset
from edgeship.calibration.preprocess import Preprocess
from edgeship.toolchain.api import Array, Contract, DataError, Samples, Signature, missing_extra


class HuggingFace(IndexedDataset):
    """A folder written by `Dataset.save_to_disk`; columns of numbers are taken as they are, pictures preprocessed."""

    packages: ClassVar[tuple[str, ...]] = ("datasets",)
    extra: ClassVar[str] = "data"

    path: Path = Field(description="the folder that save_to_disk wrote")
    split: str | None = Field(None, description="which split, where the folder holds several")
    columns: dict[str, str] = Field({}, description="input name → column, where they differ")
    label: str | None = Field(None, description="column of the labels")
    preprocess: Preprocess | None = Field(None, description="how pictures become the model's input")

    def check(self, signature: Signature) -> None:
        names = [tensor.name for tensor in signature.inputs]
        if unknown := [name for name in self.columns if name not in names]:
            raise DataError(f"columns names {', '.join(unknown)}", f"the inputs are {', '.join(names)}")
        if self.preprocess is not None and len(names) == 1:
            self.preprocess.check(signature.inputs[0], signature)

    def contract(self, signature: Signature) -> Contract:
        names = getattr(self._table().features.get(self.label), "names", None) if self.label else None
        pictures = len(signature.inputs) == 1 and self.preprocess
        inputs = {signature.inputs[0].name: pictures.declared} if pictures else {}
        return Contract(inputs=inputs, labels=tuple(names or ()))

    def files(self) -> list[Path]:
        return sorted(file for file in self.path.rglob("*") if file.is_file())

    def index(self) -> tuple[int, Array | None]:
        table = self._table()
        return len(table), None if self.label is None else np.asarray(table[self.label][:])

    def read_rows(self, signature: Signature, rows: Sequence[int]) -> Samples:
        table = self._table().select(rows)
        inputs = {}
        for tensor in signature.inputs:
            column = self.columns.get(tensor.name, tensor.name)
            self._must_have(table, column)
            inputs[tensor.name] = self._values(table, column, tensor.dtype)
        labels = None if self.label is None else np.asarray(table[self.label][:])
        return conform(inputs, labels, signature, str(self.path))

    def _values(self, table: Any, column: str, dtype: str) -> Array:
        values = table[column][:]
        if hasattr(values[0], "convert"):  # pictures
            if self.preprocess is None:
                raise DataError(f"{self.path}: column {column} holds pictures", "declare preprocess")
            values = [self.preprocess.apply(picture) for picture in values]
        try:
            # Arrow answers Python lists, which do not say how wide their numbers are
            array = np.asarray(values)
            return array.astype(dtype) if array.dtype.kind == np.dtype(dtype).kind else array
        except ValueError as error:
            raise DataError(f"{self.path}: column {column} has rows of different sizes", "pad them") from error

    def _table(self) -> Any:
        try:
            import datasets
        except ImportError as error:
            raise missing_extra("data", "datasets") from error
        try:
            loaded = datasets.load_from_disk(str(self.path))
        except Exception as error:  # pyarrow, json and datasets each have their own
            raise DataError(
                f"{self.path}: not a readable data set ({error})", "write it with Dataset.save_to_disk"
            ) from error
        if isinstance(loaded, datasets.DatasetDict):
            if self.split not in loaded:
                raise DataError(f"{self.path}: no split {self.split!r}", f"it has {', '.join(loaded)}")
            loaded = loaded[self.split]
        if not len(loaded):
            raise DataError(f"{self.path}: no samples", "save a data set with rows")
        if self.label is not None:
            self._must_have(loaded, self.label)
        return loaded

    def _must_have(self, table: Any, column: str) -> None:
        if column not in table.column_names:
            raise DataError(
                f"{self.path}: no column {column!r} (it has {', '.join(table.column_names)})",
                'say which, as in columns = { image = "img" }',
            )

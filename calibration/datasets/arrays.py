"""Arrays in a file: .npz, .npy or safetensors."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from pydantic import Field

from edgeship.calibration.datasets.conform import conform
from edgeship.toolchain.api import Array, DataError, Dataset, Samples, Signature


class Arrays(Dataset):
    """One array per input, one row per sample; keys are the inputs' names unless `keys` says otherwise."""

    path: Path = Field(description="a .npz, .npy or .safetensors file")
    keys: dict[str, str] = Field({}, description="input name → key in the file, where they differ")
    labels: str = Field("labels", description="key of the labels; a file without it has none")

    def check(self, signature: Signature) -> None:
        names = [tensor.name for tensor in signature.inputs]
        if unknown := [name for name in self.keys if name not in names]:
            raise DataError(f"keys names {', '.join(unknown)}", f"the inputs are {', '.join(names)}")

    def files(self) -> list[Path]:
        return [self.path]

    def read(self, signature: Signature, limit: int | None) -> Samples:
        self.check(signature)
        arrays = self._load()
        if self.labels not in arrays and "labels" in self.model_fields_set:
            raise DataError(f"{self.path}: no key {self.labels!r}", f"it has {', '.join(arrays)}")
        labels = arrays.pop(self.labels, None)
        names = [tensor.name for tensor in signature.inputs]
        if absent := [key for key in self.keys.values() if key not in arrays]:
            raise DataError(f"{self.path}: no key {', '.join(absent)}", f"it has {', '.join(arrays)}")
        if len(names) == len(arrays) == 1 and not self.keys:
            inputs = {names[0]: next(iter(arrays.values()))}  # nothing to confuse
        else:
            inputs = {name: arrays[key] for name in names if (key := self.keys.get(name, name)) in arrays}
            if len(inputs) < len(names):
                absent = [name for name in names if name not in inputs]
                raise DataError(
                    f"{self.path}: no array for input {', '.join(absent)} (it has {', '.join(arrays)})",
                    'say which, as in keys = { image = "x" }',
                )
        inputs = {name: array[:limit] for name, array in inputs.items()}
        return conform(inputs, None if labels is None else labels[:limit], signature, str(self.path))

    def _load(self) -> dict[str, Array]:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            if self.path.suffix == ".safetensors":
                return dict(load_file(self.path))
            loaded = np.load(self.path, allow_pickle=False)
            return {"": loaded} if isinstance(loaded, np.ndarray) else {key: loaded[key] for key in loaded.files}
        except FileNotFoundError as error:
            raise DataError(
                f"{self.path}: there is no such file", "check the path; in a recipe ./NAME starts from its folder"
            ) from error
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, SafetensorError) as error:
            raise DataError(
                f"{self.path}: not a readable .npz, .npy or safetensors file ({error})", "write it again"
            ) from error

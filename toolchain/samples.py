"""Samples: representative inputs of a model, held as arrays and stored as safetensors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]


@dataclass(frozen=True)
class Samples:
    """n samples of a model's inputs.

    `inputs[name]` has shape [n, *model input shape], the batch dimension of 1 included, in the order of the
    model's inputs. `labels` has n rows, or is None. `synthetic` data says nothing about accuracy and is flagged
    wherever it was used.
    """

    inputs: dict[str, Array]
    labels: Array | None = None
    synthetic: bool = False
    warnings: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values()))) if self.inputs else 0

    @property
    def classes(self) -> int | None:
        """How many different labels there are, where labels are whole numbers, one for each sample."""
        if self.labels is None or self.labels.ndim != 1 or self.labels.dtype.kind not in "iub":
            return None
        return len(np.unique(self.labels))

    def row(self, index: int) -> tuple[Array, ...]:
        """One sample: the model's positional inputs."""
        return tuple(array[index] for array in self.inputs.values())

    def joined(self, rows: Sequence[int] | NDArray[np.integer]) -> dict[str, Array]:
        """These samples as one call's inputs, joined along their first dimension; one sample keeps its shape."""
        if len(rows) == 1:
            return {name: np.array(array[rows[0]], order="C") for name, array in self.inputs.items()}
        return {name: np.concatenate([array[row] for row in rows]) for name, array in self.inputs.items()}

    def take(self, indices: Sequence[int] | NDArray[np.integer]) -> Samples:
        """The samples at these indices, in this order."""
        rows = np.asarray(indices, dtype=np.int64)
        labels = None if self.labels is None else self.labels[rows]
        return Samples({k: v[rows] for k, v in self.inputs.items()}, labels, self.synthetic, self.warnings)

    def save(self, path: Path) -> None:
        """Write as one safetensors file; equal samples give equal bytes."""
        from safetensors.numpy import save_file

        tensors = {f"input.{i}.{k}": np.ascontiguousarray(v) for i, (k, v) in enumerate(self.inputs.items())}
        if self.labels is not None:
            tensors["labels"] = np.ascontiguousarray(self.labels)
        about = {"synthetic": self.synthetic, "warnings": list(self.warnings)}
        save_file(tensors, path, metadata={"samples": json.dumps(about)})


def load_samples(path: Path, most: int | None = None) -> Samples:
    """Read what `Samples.save` wrote, or the first of them."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:

        def array(key: str) -> Array:
            if most is None:
                return file.get_tensor(key)  # type: ignore[no-any-return]
            rows = file.get_slice(key)
            return rows[: min(most, rows.get_shape()[0])]  # type: ignore[no-any-return]

        about = json.loads((file.metadata() or {}).get("samples", "{}"))
        named = sorted(
            (key.split(".", 2) for key in file.keys() if key.startswith("input.")), key=lambda parts: int(parts[1])
        )
        inputs = {name: array(f"input.{index}.{name}") for _, index, name in named}
        labels = array("labels") if "labels" in file.keys() else None
    return Samples(inputs, labels, about.get("synthetic", False), tuple(about.get("warnings", ())))


def samples_in(path: Path) -> int:
    """How many samples `Samples.save` wrote, without reading them."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return next((int(file.get_slice(key).get_shape()[0]) for key in file.keys() if key.startswith("input.")), 0)

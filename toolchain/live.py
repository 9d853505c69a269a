"""The job for a live module, in a notebook: the same recipe and pipeline, the module taken from this process."""

from __future__ import annotations

import copy
import hashlib
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toolchain.errors import DataError, RecipeError
from toolchain.summary import ReportLine

if TYPE_CHECKING:
    import torch
    from torch import nn

    from toolchain.pipeline import Event

_modules: dict[str, nn.Module] = {}


@dataclass(frozen=True)
class Converted:
    """One artifact with its verdict; `path` is None where none was made, and `line` says why."""

    variant: str
    target: str
    path: Path | None
    line: ReportLine

    @property
    def passed(self) -> bool:
        """Whether it was executed and judged to compute the same as the model."""
        return self.line.verdict == "pass"


def take(digest: str) -> nn.Module:
    """A copy of a module given to `convert`; the factory of its recipe."""
    if digest not in _modules:
        raise RecipeError("a live module is only known in the process that gave it", "write a recipe with a factory")
    return copy.deepcopy(_modules[digest])


def convert(
    module: nn.Module,
    inputs: Mapping[str, torch.Tensor] | Sequence[torch.Tensor],
    targets: Sequence[str] | Mapping[str, Mapping[str, Any]],
    calibration: Iterable[Any] | None,
    evaluation: Iterable[Any] | None,
    variants: Mapping[str, Sequence[Any]],
    metric: str | None,
    dynamic: Mapping[str, tuple[int, int]],
    measure: bool,
    folder: Path,
    on_event: Callable[[Event], None],
) -> list[Converted]:
    """See toolchain.api.convert."""
    import json

    from toolchain import recipe as recipes
    from toolchain import run as runs

    named = dict(inputs) if isinstance(inputs, Mapping) else _named(module, inputs)
    digest = _digest(module)
    _modules[digest] = module
    try:
        with tempfile.TemporaryDirectory(prefix="edgeship-live-") as data:
            raw: dict[str, Any] = {
                "name": type(module).__name__,
                "model": {
                    "factory": "toolchain.live:take",
                    "arguments": {"digest": digest},
                    "inputs": [_input(name, tensor, dynamic) for name, tensor in named.items()],
                    "dims": {name: list(bounds) for name, bounds in dynamic.items()},
                },
                "variants": {name: list(passes) for name, passes in variants.items()},
                "targets": {name: dict(options) for name, options in _options(targets).items()},
            }
            for need, loader in (("calibration", calibration), ("evaluation", evaluation)):
                if loader is not None:
                    path = Path(data) / f"{need}.safetensors"
                    _write(loader, named, path)
                    raw[need] = {"source": "arrays", "path": str(path)}
            if metric and evaluation is not None:
                raw["evaluation"]["metric"] = metric
            recipe = recipes.from_tables(raw, Path.cwd(), "convert()", raw["name"], json.dumps(raw, default=str))
            place = runs.folder_for(folder, recipe.name)
            # only this process has the module, so the programs are made here
            outcome = runs.run(recipe, place, runs.Options(True, measure), on_event, here=frozenset({"program"}))
    finally:
        del _modules[digest]
    return [
        Converted(line.variant, line.target, outcome.folder / line.artifact.path if line.artifact else None, line)
        for line in outcome.report.lines
    ]


def _options(targets: Sequence[str] | Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
    return targets if isinstance(targets, Mapping) else {name: {} for name in targets}


def _named(module: nn.Module, inputs: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
    import inspect

    names = [name for name in inspect.signature(module.forward).parameters if name not in ("args", "kwargs")]
    if len(names) < len(inputs):
        names = [f"input_{index}" for index in range(len(inputs))]
    return dict(zip(names, inputs, strict=False))


def _input(name: str, tensor: torch.Tensor, dynamic: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    """A dynamic dimension is written `name` for the first axis of every input, `input.axis` for any other."""
    shape: list[int | str] = list(tensor.shape)
    for dim in dynamic:
        owner, dot, axis = dim.rpartition(".")
        if not dot:
            shape[0] = dim
        elif owner == name:
            shape[int(axis)] = dim
    return {"name": name, "shape": shape, "dtype": str(tensor.dtype).removeprefix("torch.")}


def _digest(module: nn.Module) -> str:
    """What the module is: its structure as text and the bytes of its state."""
    sha = hashlib.sha256(repr(module).encode())
    for name, tensor in module.state_dict().items():
        sha.update(name.encode())
        sha.update(np.ascontiguousarray(tensor.detach().cpu().float().numpy()).tobytes())
    return sha.hexdigest()


def _write(loader: Iterable[Any], named: Mapping[str, torch.Tensor], path: Path) -> None:
    """Samples of a loader: batches of a tensor, a tuple (inputs …[, labels]) or a dict of inputs (and labels)."""
    from safetensors.numpy import save_file

    columns: dict[str, list[Any]] = {name: [] for name in named}
    labels: list[Any] = []
    for batch in loader:
        if isinstance(batch, Mapping):
            parts, label = [batch[name] for name in named], batch.get("labels")
        else:
            values = list(batch) if isinstance(batch, tuple | list) else [batch]
            parts, label = values[: len(named)], values[len(named)] if len(values) > len(named) else None
        if len(parts) < len(named):
            raise DataError(f"a batch holds {len(parts)} tensors, the model takes {len(named)}", "give all inputs")
        for column, part in zip(columns.values(), parts, strict=True):
            column.extend(np.asarray(row)[None] for row in part)
        if label is not None:
            labels.extend(np.asarray(label))
    if not any(columns.values()):
        raise DataError("the loader is empty", "give at least a few batches")
    tensors = {name: np.ascontiguousarray(np.stack(column)) for name, column in columns.items()}
    if labels:
        tensors["labels"] = np.asarray(labels)
    save_file(tensors, path)

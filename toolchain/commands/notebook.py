"""The job for a live module, in a notebook: the same recipe and pipeline, the module taken from this process."""

from __future__ import annotations

import copy
import hashlib
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeship.toolchain.artifact import Tensor
from edgeship.toolchain.errors import RecipeError
from edgeship.toolchain.plugin import Signature
from edgeship.toolchain.report.document import ReportLine
from edgeship.toolchain.samples import Samples

if TYPE_CHECKING:
    import torch
    from torch import nn

    from edgeship.toolchain.build.lines import Event

LABELS = "labels of the samples"
"""Key of the labels in a stored file: no model's input is called so."""

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
    calibration: Any,
    evaluation: Any,
    variants: Mapping[str, Sequence[Any]],
    metric: str | Mapping[str, Any] | None,
    dynamic: Mapping[str, tuple[int, int]],
    measure: bool,
    folder: Path,
    on_event: Callable[[Event], None],
) -> list[Converted]:
    """See edgeship.toolchain.api.convert."""
    import json

    from edgeship.calibration.datasets.returned import collect
    from edgeship.toolchain.commands import run as runs
    from edgeship.toolchain.recipe import read as recipes

    named = dict(inputs) if isinstance(inputs, Mapping) else _named(module, inputs)
    declared = [_input(name, tensor, dynamic) for name, tensor in named.items()]
    signature = Signature(tuple(Tensor.model_validate(table) for table in declared), (), dict(dynamic))
    digest = _digest(module)
    _modules[digest] = module
    try:
        with tempfile.TemporaryDirectory(prefix="edgeship-live-") as data:
            raw: dict[str, Any] = {
                "name": type(module).__name__,
                "model": {
                    "factory": "edgeship.toolchain.commands.notebook:take",
                    "arguments": {"digest": digest},
                    "inputs": declared,
                    "dims": {name: list(bounds) for name, bounds in dynamic.items()},
                },
                "variants": {name: list(passes) for name, passes in variants.items()},
                "targets": {name: dict(options) for name, options in _options(targets).items()},
            }
            for need, given in (("calibration", calibration), ("evaluation", evaluation)):
                if given is not None:
                    samples = collect(given, signature, None, need)
                    raw[need] = _write(samples, Path(data) / f"{need}.safetensors")
            if metric and evaluation is not None:
                raw["evaluation"]["metric"] = metric if isinstance(metric, str) else dict(metric)
            recipe = recipes.from_tables(raw, Path.cwd(), "convert()", raw["name"], json.dumps(raw, default=str))
            # only this process has the module, so the programs are made here
            options = runs.Options(quick=True, measure=measure)
            outcome = runs.run_into(folder, recipe, options, on_event, here=frozenset({"program"}))
    finally:
        del _modules[digest]
    return [
        Converted(line.variant, line.target, outcome.folder.path / line.path if line.path else None, line)
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


def _write(samples: Samples, path: Path) -> dict[str, Any]:
    """Store samples as the recipe's `arrays` read them; answers the table that names them."""
    from safetensors.numpy import save_file

    tensors = {name: np.ascontiguousarray(array) for name, array in samples.inputs.items()}
    table: dict[str, Any] = {"source": "arrays", "path": str(path)}
    if samples.labels is not None:
        tensors[LABELS] = np.ascontiguousarray(samples.labels)
        table["labels"] = LABELS
    save_file(tensors, path)
    for warning in samples.warnings:
        warnings.warn(warning, stacklevel=4)  # where the user called convert
    return table

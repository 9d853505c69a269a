"""The job from Python, in a notebook or a script: recipes, and live modules that only this process has."""

from __future__ import annotations

import copy
import hashlib
import json
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeship.toolchain.artifact import Tensor
from edgeship.toolchain.errors import RecipeError
from edgeship.toolchain.plugin import Signature
from edgeship.toolchain.report.document import Report, ReportLine

if TYPE_CHECKING:
    import torch
    from torch import nn

    from edgeship.toolchain.build.store import Store

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
    *,
    calibration: Any = None,
    evaluation: Any = None,
    variants: Mapping[str, Sequence[Any]] | None = None,
    metric: str | Mapping[str, Any] | None = None,
    dynamic: Mapping[str, tuple[int, int]] | None = None,
    measure: bool = False,
    folder: Path | str = "runs",
) -> list[Converted]:
    """Convert a live module: the job of `edgeship run`, through the same pipeline.

    `inputs` are example tensors, batch 1, by name or in order. `targets` are names, or names with options.
    `calibration` and `evaluation` are what a recipe's data function may return: a DataLoader, a Dataset, a generator or
    list of batches or single samples (a tensor, a tuple of inputs and maybe labels, or a dict), or one of these whole.
    `variants` default to float, and int8 static where there is calibration data. `dynamic` bounds dimensions:
    {"batch": (1, 8)} is every input's first axis, {"ids.1": (1, 128)} one input's.
    Raises RecipeError, DataError, SourceError, MissingError before work starts; a failed line says so in its verdict.
    """
    from edgeship.toolchain.commands import run as runs
    from edgeship.toolchain.recipe import read as recipes

    default = {"float": []} if calibration is None else {"float": [], "int8": ["quantize-static"]}
    given = {"calibration": calibration, "evaluation": evaluation}
    with _lent(module) as digest, tempfile.TemporaryDirectory(prefix="edgeship-live-") as work:
        model = _model(module, digest, inputs, dynamic or {})
        raw: dict[str, Any] = {
            "name": type(module).__name__,
            "model": model,
            "variants": {name: list(passes) for name, passes in (variants or default).items()},
            "targets": dict(targets) if isinstance(targets, Mapping) else {name: {} for name in targets},
            **{need: _data(data, need, model, Path(work)) for need, data in given.items() if data is not None},
        }
        if metric and evaluation is not None:
            raw["evaluation"]["metric"] = metric if isinstance(metric, str) else dict(metric)
        recipe = recipes.from_tables(raw, Path.cwd(), "convert()", raw["name"], json.dumps(raw, default=str))
        # only this process has the module, so the programs are made here
        options, here = runs.Options(quick=True, measure=measure), frozenset({"program"})
        outcome = runs.run_into(Path(folder), recipe, options, lambda event: None, here=here)
    return [
        Converted(line.variant, line.target, outcome.folder.path / line.path if line.path else None, line)
        for line in outcome.report.lines
    ]


def run(
    recipe: Path | str | Mapping[str, Any],
    *,
    quick: bool = False,
    measure: bool = True,
    remeasure: bool = False,
    store: Store | None = None,
    folder: Path | str | None = None,
) -> Report:
    """Run a recipe, a file or its tables: the job of `edgeship run`.

    Without `folder` nothing is written beside the store, and the paths in the report lead there; with it a new run
    directory is made below it. Raises RecipeError and MissingError before work starts.
    """
    from edgeship.toolchain.commands import run as runs
    from edgeship.toolchain.recipe import preflight
    from edgeship.toolchain.recipe import read as recipes
    from edgeship.toolchain.report.folder import InStore

    if isinstance(recipe, Mapping):
        text = json.dumps(dict(recipe), default=str)
        checked = recipes.from_tables(dict(recipe), Path.cwd(), "run()", str(recipe.get("name", "recipe")), text)
    else:
        checked = recipes.read(Path(recipe))
    options = runs.Options(quick, measure, remeasure)
    if folder is not None:
        return runs.run_into(Path(folder), checked, options, lambda event: None, store).report
    preflight.check(checked)
    with tempfile.TemporaryDirectory(prefix="edgeship-run-") as work:
        return runs.run(checked, options, lambda event: None, InStore(Path(work) / "log.txt"), store)


@contextmanager
def _lent(module: nn.Module) -> Iterator[str]:
    """The digest by which `take` knows a module for the time of the block."""
    digest = _digest(module)
    _modules[digest] = module
    try:
        yield digest
    finally:
        del _modules[digest]


def _model(
    module: nn.Module,
    digest: str,
    inputs: Mapping[str, torch.Tensor] | Sequence[torch.Tensor],
    dynamic: Mapping[str, tuple[int, int]],
) -> dict[str, Any]:
    """The recipe's [model] for a live module."""
    named = dict(inputs) if isinstance(inputs, Mapping) else _named(module, inputs)
    return {
        "factory": "edgeship.toolchain.commands.notebook:take",
        "arguments": {"digest": digest},
        "inputs": [_input(name, tensor, dynamic) for name, tensor in named.items()],
        "dims": {name: list(bounds) for name, bounds in dynamic.items()},
    }


def _data(given: Any, need: str, model: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Store what a user gave as the recipe's `arrays` read it; answers the table that names it."""
    from safetensors.numpy import save_file

    from edgeship.calibration.datasets.returned import collect

    signature = Signature(tuple(Tensor.model_validate(table) for table in model["inputs"]), (), dict(model["dims"]))
    samples = collect(given, signature, None, need)
    tensors = {name: np.ascontiguousarray(array) for name, array in samples.inputs.items()}
    path = folder / f"{need}.safetensors"
    table: dict[str, Any] = {"source": "arrays", "path": str(path)}
    if samples.labels is not None:
        tensors[LABELS] = np.ascontiguousarray(samples.labels)
        table["labels"] = LABELS
    save_file(tensors, path)
    for warning in samples.warnings:
        warnings.warn(warning, stacklevel=4)  # where the user called convert
    return table


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

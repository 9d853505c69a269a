"""What a model says of itself, asked in a worker: its inputs, and how it wants its pictures."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from edgeship.toolchain.build.stages.stage import Report, Stage
from edgeship.toolchain.build.worker import Worker
from edgeship.toolchain.errors import RecipeError
from edgeship.toolchain.model.source import ModelSource

if TYPE_CHECKING:
    from torch import nn

TIMEOUT_S = 600
LARGEST_DIM = 65_536
"""Where a program leaves a dimension without an upper bound."""


@dataclass(frozen=True)
class ModelFacts:
    """`inputs` are entries of model.inputs, None where shapes are not known; `parameters` the names forward() takes."""

    parameters: tuple[str, ...] = ()
    inputs: list[dict[str, Any]] | None = None
    dims: dict[str, list[int]] = field(default_factory=dict)
    preprocess: dict[str, Any] | None = None
    origin: str = ""
    """Who declares the preprocessing."""


def ask(table: dict[str, Any], base: Path) -> ModelFacts:
    """Make the model of a [model] table in a process of its own and look at it; raises what making it raises."""
    try:
        source = ModelSource.model_validate({"inputs": [{"name": "unknown", "shape": [1]}], **table})
    except ValidationError as error:
        raise RecipeError("; ".join(detail["msg"] for detail in error.errors())) from error
    with tempfile.TemporaryDirectory(prefix="edgeship-") as work:
        worker = Worker(Path(work) / "log.txt", TIMEOUT_S)
        try:
            return ModelFacts(**json.loads(worker.call(Look(source, base), lambda kind, text: None)))
        finally:
            worker.close()


@dataclass(frozen=True)
class Look(Stage):
    """The worker's part; its answer is a ModelFacts as JSON."""

    source: ModelSource
    base: Path

    def run(self, report: Report) -> str:
        """See `facts_of`."""
        report("progress", "loading the model")
        return json.dumps(asdict(facts_of(self.source, self.base)))


def facts_of(source: ModelSource, base: Path) -> ModelFacts:
    """Look at a model in this process: what torch.export, timm, torchvision, transformers and Lightning left in it."""
    import inspect

    from edgeship.calibration.own_preprocess import declared_by
    from edgeship.toolchain.model.load import from_factory

    if source.program is not None:
        return _of_program(base / source.program)
    assert source.factory is not None
    module = from_factory(source, base)
    near = base / source.weights if source.weights else None
    declared = declared_by(module, source.factory, str(source.arguments.get("weights") or ""), near)
    parameters = [p for p in inspect.signature(module.forward).parameters.values() if p.kind is not p.VAR_KEYWORD]
    names = tuple(parameter.name for parameter in parameters)
    required = [p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_POSITIONAL]
    options = declared.options if declared else {}
    inputs = _of_example(module, names)
    if inputs is None and len(required) == 1 and "crop" in options:
        channels = 1 if options.get("colour") == "grey" else 3
        inputs = [{"name": required[0], "shape": [1, channels, *options["crop"]]}]
    return ModelFacts(tuple(required or names), inputs, {}, options or None, declared.origin if declared else "")


def _of_example(module: nn.Module, names: tuple[str, ...]) -> list[dict[str, Any]] | None:
    """Inputs from Lightning's `example_input_array` or transformers' `dummy_inputs`."""
    import torch

    example: Any = getattr(module, "example_input_array", None)
    if example is None:
        example = getattr(module, "dummy_inputs", None)
    keyword = {"keyword": True} if isinstance(example, dict) else {}
    if isinstance(example, torch.Tensor):
        example = (example,)
    named = example if isinstance(example, dict) else dict(zip(names, example or (), strict=False))
    if not named or not all(isinstance(value, torch.Tensor) for value in named.values()):
        return None
    return [_input(name, tensor) | keyword for name, tensor in named.items()]


def _input(name: str, tensor: Any) -> dict[str, Any]:
    dtype = str(tensor.dtype).removeprefix("torch.")
    return {"name": name, "shape": list(tensor.shape), **({"dtype": dtype} if dtype != "float32" else {})}


def _of_program(path: Path) -> ModelFacts:
    """A .pt2 carries its inputs, dynamic dimensions with their bounds; TorchScript does not."""
    from edgeship.toolchain.model import program

    if path.suffix != ".pt2":
        return ModelFacts()
    exported = program.load(path)
    inputs: list[dict[str, Any]] = []
    dims: dict[str, list[int]] = {}
    for node in exported.graph.nodes:
        if node.op != "placeholder" or node.name not in exported.graph_signature.user_inputs:
            continue
        tensor = node.meta["val"]
        table = _input(node.name, tensor)
        for axis, size in enumerate(table["shape"]):
            if not isinstance(size, int):
                bounds = exported.range_constraints[size.node.expr]
                name = str(size)
                table["shape"][axis] = name
                dims[name] = [int(bounds.lower), min(int(bounds.upper), LARGEST_DIM)]
        inputs.append(table)
    return ModelFacts(tuple(table["name"] for table in inputs), inputs, dims)

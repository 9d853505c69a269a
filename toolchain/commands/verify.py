"""`verify` for a file that was made elsewhere: the judging of a run, without a recipe."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgeship.toolchain import quant
from edgeship.toolchain.artifact import Artifact, Tensor
from edgeship.toolchain.build.builder import builder
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.commands import convert
from edgeship.toolchain.commands import inspect as foreign
from edgeship.toolchain.errors import DataError, RecipeError
from edgeship.toolchain.judge import verdict as verification
from edgeship.toolchain.judge.case import Case
from edgeship.toolchain.judge.task import Task
from edgeship.toolchain.judge.verdict import Verdict
from edgeship.toolchain.plugin import Device
from edgeship.toolchain.recipe import arguments as tables
from edgeship.toolchain.recipe import preflight
from edgeship.toolchain.recipe import read as recipe
from edgeship.toolchain.samples import Array, load_samples

LARGEST_DIM = 1024
"""Up to where a file's dynamic dimension is taken to go: files do not say."""


def verify(
    file: Path,
    given: tables.ModelArguments,
    data: str | None,
    preprocess: str | None,
    spec: str | None,
    metric: str | None,
    device: Device,
    on_note: Callable[[str], None],
) -> Verdict:
    """Judge a file against a model: the same checks as in a run, with the float model in the place of the program.

    Outputs are paired with the model's by name, and in order where the file's names differ.
    """
    artifact = foreign.describe(file)
    if spec is not None:
        try:
            quant.parse(spec)
        except ValueError as error:
            raise RecipeError(str(error), "e.g. float32, w8a8-static, w8a8-dynamic, w8-weights") from error
    if given.model.endswith(".toml"):
        made = recipe.read(Path(given.model))
    else:
        if not given.inputs:
            given = replace(given, inputs=_inputs_of(artifact))
        made, notes = convert.recipe_of(
            given, ["torchscript"], ["float"], {"evaluation": data}, preprocess, metric, None
        )
        for note in notes:
            on_note(note)
    preflight.check_sources(made)
    model = made.models[0]
    with tempfile.TemporaryDirectory(prefix="edgeship-") as work:
        with builder(made, Store(), Path(work) / "log.txt", lambda event: None) as build:
            reference = build.reference(model)
        # the file is asked by its own names
        samples, expected = load_samples(reference.samples), load_samples(reference.outputs)
        if not artifact.inputs:  # TorchScript tells of no shapes: it is given what the model takes
            artifact = artifact.model_copy(update={"inputs": _tensors(samples.inputs)})
        samples = replace(samples, inputs=_paired(samples.inputs, artifact.inputs, "inputs"))
        outputs = _paired(expected.inputs, artifact.outputs, "outputs")
        evaluation = model.data.get("evaluation")
        case = Case(
            spec=quant.parse(spec or artifact.spec),
            samples=samples,
            expected=outputs,
            reference=outputs,
            program="unknown",
            task=Task(evaluation.metric, evaluation.metric_name) if evaluation and evaluation.metric else None,
        )
        with device.open() as link:
            return verification.judge(artifact, file.parent, link, case)


def _paired(arrays: dict[str, Array], tensors: tuple[Tensor, ...], what: str) -> dict[str, Array]:
    """The model's arrays under the file's names: paired by name, or in order where the names differ."""
    if set(arrays) == {tensor.name for tensor in tensors}:
        return {tensor.name: arrays[tensor.name] for tensor in tensors}
    if len(arrays) != len(tensors):
        ours, theirs = ", ".join(arrays), ", ".join(tensor.name for tensor in tensors) or "none that it tells"
        raise DataError(f"the model has the {what} {ours}, the file {theirs}", f"compare files with the same {what}")
    return {tensor.name: array for tensor, array in zip(tensors, arrays.values(), strict=True)}


def _tensors(arrays: dict[str, Array]) -> tuple[Tensor, ...]:
    """What arrays of shape [n, *shape] say of the tensors they are samples of."""
    return tuple(Tensor(name=name, dtype=str(a.dtype), shape=a.shape[1:]) for name, a in arrays.items())


def _inputs_of(artifact: Artifact) -> list[str]:
    """--input texts from what the file and its artifact.json say."""

    def text(tensor: Tensor) -> str:
        dtype = "float32" if tensor.quantization else tensor.dtype
        sizes = (str(s) if isinstance(s, int) else f"{s}[1-{LARGEST_DIM}]" for s in tensor.shape)
        low, high = artifact.contract.ranges.get(tensor.name, (0, 0))
        valid = f"[{low:.0f}-{high:.0f}]" if high > low >= 0 and np.dtype(dtype).kind in "iu" else ""
        return f"{tensor.name}:{'x'.join(sizes)}:{dtype}{valid}"

    return [text(tensor) for tensor in artifact.inputs]

"""`verify` and `bench` for files that were made elsewhere: the last steps of a run, without a recipe."""

from __future__ import annotations

import dataclasses
import json
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
from edgeship.toolchain.commands.isolated import Reader
from edgeship.toolchain.errors import DataError, RecipeError
from edgeship.toolchain.judge import verdict as verification
from edgeship.toolchain.judge.case import Case
from edgeship.toolchain.judge.task import Task
from edgeship.toolchain.judge.verdict import Verdict
from edgeship.toolchain.measure import bench as benches
from edgeship.toolchain.plugin import Device
from edgeship.toolchain.protocol.messages import Result, dump
from edgeship.toolchain.recipe import arguments as tables
from edgeship.toolchain.recipe import preflight
from edgeship.toolchain.recipe import read as recipe
from edgeship.toolchain.recipe.plan import BenchOptions
from edgeship.toolchain.report.bench import Bench, Benched
from edgeship.toolchain.report.rows import measurement
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


def bench(
    files: list[Path],
    inputs: list[str],
    sizes: list[str],
    options: BenchOptions,
    quick: bool,
    device: Device,
    on_note: Callable[[str], None],
) -> tuple[Bench, list[Result]]:
    """Measure files beside each other, interleaved; a file that cannot be measured says why.

    Answers what was found, and the results with their raw samples of those files that were measured.
    `sizes` are texts like `batch=4`: what dynamic dimensions take; 1 where nothing is said. `on_note` is told which
    integers a file is given that says nothing of its valid ones.
    """
    subjects = subjects_of(files, inputs, sizes, options.threads[0], on_note)
    protocol = benches.QUICK if quick else benches.Protocol(launches=options.launches, seconds=options.seconds)
    with device.open() as link:
        answers = benches.measure(subjects, link, protocol)
        facts = link.facts()
    benched: list[Benched] = []
    results: list[Result] = []
    for file, subject in zip(files, subjects, strict=True):
        answer = answers[subject.name]
        if isinstance(answer, str):
            benched.append(Benched(file=str(file), error=answer))
        else:
            results.append(answer)
            benched.append(Benched(file=str(file), measurement=measurement(answer, subject, "")))
    return Bench(quick=quick, protocol=dataclasses.asdict(protocol), device=facts, files=benched), results


def subjects_of(
    files: list[Path], inputs: list[str], sizes: list[str], threads: int, on_note: Callable[[str], None]
) -> list[benches.Subject]:
    """Files with random inputs for them, as `bench` takes both. RecipeError for a size that no file has."""
    given_sizes = tables.sizes_table(sizes)
    with Reader() as reader:
        artifacts = [foreign.describe(file, reader) for file in files]
    if inputs:
        artifacts = [_with_inputs(artifact, inputs) for artifact in artifacts]
    known = {size for a in artifacts for tensor in a.inputs for size in tensor.shape if isinstance(size, str)}
    if unknown := [name for name in given_sizes if name not in known]:
        has = f"they have {', '.join(sorted(known))}" if known else "their inputs are of fixed size"
        raise RecipeError(f"--size {', '.join(unknown)}: the files have no such dynamic dimension", has)
    subjects = []
    for index, (file, artifact) in enumerate(zip(files, artifacts, strict=True)):
        samples = foreign.random_samples(artifact, given_sizes, benches.CASES, on_note=on_note)
        subjects.append(benches.Subject(f"{index}:{file}", artifact, file.resolve().parent, samples, threads))
    return subjects


def write_results(bench: Bench, results: list[Result], out: Path) -> None:
    """Write the results, each a bench-result/1 with its raw samples, as one JSON document beside their files' names."""
    files = [benched.file for benched in bench.files if benched.measurement]
    documents = [{"file": file, "result": json.loads(dump(r))} for file, r in zip(files, results, strict=True)]
    out.write_text(json.dumps(documents, indent=1) + "\n")


def _with_inputs(artifact: Artifact, inputs: list[str]) -> Artifact:
    """The artifact with the inputs of the command line, and their valid values."""
    given = tables.input_tables(inputs)[0]
    tensors = tuple(
        Tensor.model_validate({key: table[key] for key in Tensor.model_fields if key in table}) for table in given
    )
    ranges = {table["name"]: (table["low"], table["high"]) for table in given if "high" in table}
    contract = artifact.contract.model_copy(update={"ranges": {**artifact.contract.ranges, **ranges}})
    return artifact.model_copy(update={"inputs": tensors, "contract": contract})

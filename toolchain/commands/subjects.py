"""Model files of the command line with what they are given: random inputs, sizes, threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeship.toolchain.artifact import Artifact, Tensor
from edgeship.toolchain.commands import inspect as foreign
from edgeship.toolchain.commands.isolated import Reader
from edgeship.toolchain.errors import RecipeError
from edgeship.toolchain.measure.bench import CASES, Subject
from edgeship.toolchain.recipe import arguments as tables


@dataclass(frozen=True)
class Calls:
    """How files are called, in the command line's words."""

    inputs: Sequence[str] = ()
    """NAME:SHAPE[:DTYPE], for files that do not say it."""
    sizes: Sequence[str] = ()
    """batch=4: what dynamic dimensions take; 1 where nothing is said."""
    threads: int = 1


def subjects_of(
    files: list[Path],
    calls: Calls,
    on_note: Callable[[str], None],
    samples: int = CASES,
) -> list[Subject]:
    """Files with random inputs for them, as `bench` takes both. RecipeError for a size that no file has."""
    given_sizes = tables.sizes_table(calls.sizes)
    with Reader() as reader:
        artifacts = [foreign.describe(file, reader) for file in files]
    if calls.inputs:
        artifacts = [_with_inputs(artifact, calls.inputs) for artifact in artifacts]
    known = {size for a in artifacts for tensor in a.inputs for size in tensor.shape if isinstance(size, str)}
    if unknown := [name for name in given_sizes if name not in known]:
        has = f"they have {', '.join(sorted(known))}" if known else "their inputs are of fixed size"
        raise RecipeError(f"--size {', '.join(unknown)}: the files have no such dynamic dimension", has)
    subjects = []
    for index, (file, artifact) in enumerate(zip(files, artifacts, strict=True)):
        drawn = foreign.random_samples(artifact, given_sizes, samples, on_note=on_note)
        subjects.append(Subject(f"{index}:{file}", artifact, file.resolve().parent, drawn, calls.threads))
    return subjects


def _with_inputs(artifact: Artifact, inputs: Sequence[str]) -> Artifact:
    """The artifact with the inputs of the command line, and their valid values."""
    given = tables.input_tables(inputs)[0]
    tensors = tuple(
        Tensor.model_validate({key: table[key] for key in Tensor.model_fields if key in table}) for table in given
    )
    ranges = {table["name"]: (table["low"], table["high"]) for table in given if "high" in table}
    contract = artifact.contract.model_copy(update={"ranges": {**artifact.contract.ranges, **ranges}})
    return artifact.model_copy(update={"inputs": tensors, "contract": contract})

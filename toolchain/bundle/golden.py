"""Golden samples of a bundle: inputs, and what each of its files answers here, as raw numbers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from edgeship.toolchain.artifact import Artifact
from edgeship.toolchain.bundle.contents import Contents
from edgeship.toolchain.bundle.manifest import Golden, GoldenTensor
from edgeship.toolchain.errors import EdgeshipError
from edgeship.toolchain.judge.answers import execute, rows, stacked
from edgeship.toolchain.link import Link
from edgeship.toolchain.samples import Array, Samples


def golden(
    samples: Samples,
    expected: dict[str, Array],
    artifacts: Iterable[tuple[str, Artifact, Path]],
    link: Link,
    contents: Contents,
) -> Golden:
    """Execute each artifact (its name, manifest and folder) on the samples and put all numbers into `contents`.

    EdgeshipError where one cannot be executed here.
    """
    before = len(contents.named)
    outputs: dict[str, dict[str, GoldenTensor]] = {}
    for name, artifact, folder in artifacts:
        if reason := link.can_execute(artifact, "verify"):
            raise EdgeshipError(
                f"{name} cannot be executed here: {reason}", "leave it out: --target names what goes in"
            )
        result, answers = execute(artifact, folder, link, rows(samples, len(samples)))
        if error := result.runs[0].error:
            raise EdgeshipError(f"{name}: {error.phase}: {error.message}", "run the recipe again")
        outputs[name] = _tensors(f"golden/{name}", stacked(answers), contents)
    return Golden(
        samples=len(samples),
        inputs=_tensors("golden/inputs", samples.inputs, contents),
        outputs=outputs,
        model=_tensors("golden/model", {name: array[: len(samples)] for name, array in expected.items()}, contents),
        labels=None if samples.labels is None else _tensor("golden/labels.bin", samples.labels, contents),
        files=contents.named[before:],
    )


def _tensors(folder: str, arrays: dict[str, Array], contents: Contents) -> dict[str, GoldenTensor]:
    return {
        name: _tensor(f"{folder}/{number}.bin", array, contents) for number, (name, array) in enumerate(arrays.items())
    }


def _tensor(path: str, array: Array, contents: Contents) -> GoldenTensor:
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    file = contents.add(path, little.tobytes())
    return GoldenTensor(dtype=str(array.dtype), shape=list(array.shape), sha256=file.sha256)

"""Jobs from artifacts and rows of samples, and rows of outputs from their results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgeship.toolchain.artifact import Artifact, Tensor, digest, size_bytes
from edgeship.toolchain.errors import DataError, LineError
from edgeship.toolchain.protocol.files import JobFiles
from edgeship.toolchain.protocol.messages import (
    DEADLINE_NS,
    Config,
    Job,
    JobArtifact,
    JobFile,
    JobRuntime,
    Result,
    TensorFile,
)
from edgeship.toolchain.samples import Array


@dataclass(frozen=True)
class Load:
    """What a launch executes: an artifact on rows of the model's own inputs by name.

    Rows are float where the model is float; inputs that `feedback` (output name → input name) fills may be missing in
    all rows but the first. `options` belong to the runtime (see apps/agents/python/agent.py).
    """

    artifact: Artifact
    folder: Path
    rows: Sequence[Mapping[str, Array]]
    feedback: Mapping[str, str] = field(default_factory=dict)
    threads: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)


def make_job(
    load: Load, config: Config, work: Path, capture: bool = True, deadline_ns: int = DEADLINE_NS
) -> tuple[Job, JobFiles]:
    """A job and its files, the inputs written into `work`; quantized here where the artifact stores them as integers.

    The paths in a job hold the digests of what they name, so that they are the same on every device and nothing is
    brought there twice. Raises DataError when a row does not fit.
    """
    artifact = load.artifact
    _check_feedback(artifact, load.feedback)
    known = {artifact.file: artifact.sha256, **artifact.extra_sha256}
    shipped = {name: known.get(name) or digest(load.folder / name) for name in (artifact.file, *artifact.extra_files)}
    folder = parcel(shipped)
    files = [_job_file(f"{folder}/{name}", load.folder / name, sha256) for name, sha256 in shipped.items()]
    sources = {f"{folder}/{name}": load.folder / name for name in shipped}
    cases, inputs = _write_cases(_stored_rows(load), work)
    files.append(inputs)
    sources[inputs.path] = work / inputs.path
    job = Job(
        artifact=JobArtifact(
            format=artifact.format,
            path=f"{folder}/{artifact.file}",
            sha256=artifact.sha256,
            size=artifact.size_bytes,
        ),
        runtime=JobRuntime(
            name=artifact.runtime.name,
            backend=artifact.runtime.backend,
            threads=load.threads,
            options={**artifact.runtime.options, **load.options},
        ),
        files=files,
        config=config,
        cases=cases,
        outputs=[tensor.name for tensor in artifact.outputs],
        feedback=dict(load.feedback),
        deadline_ns=deadline_ns,
    )
    job.capture = f"outputs-{job.id}.bin" if capture else None
    return job, JobFiles(sources, work)


def parcel(digests: Mapping[str, str]) -> str:
    """The folder that files of these names and digests lie in on a device, beside one another."""
    text = json.dumps(sorted(digests.items()))
    return f"files/{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def _stored_rows(load: Load) -> list[dict[str, Array]]:
    """The rows as the artifact takes them, in its order."""
    expected = [tensor.name for tensor in load.artifact.inputs]
    stored = []
    for index, row in enumerate(load.rows):
        full = {**{name: load.rows[0][name] for name in load.feedback.values() if name in load.rows[0]}, **row}
        if set(full) != set(expected):
            raise DataError(
                f"sample {index} has inputs {', '.join(full) or 'none'}; the model takes {', '.join(expected)}",
                "name the data's arrays as the model's inputs",
            )
        stored.append({tensor.name: to_stored(full[tensor.name], tensor) for tensor in load.artifact.inputs})
    return stored


def _write_cases(rows: list[dict[str, Array]], work: Path) -> tuple[list[list[TensorFile]], JobFile]:
    """Write the inputs of all cases into one raw file below `work`, and describe it and where in it they lie."""
    cases: list[list[TensorFile]] = []
    file = work / "inputs.bin"
    with file.open("wb") as stream:
        for row in rows:
            case = []
            for name, array in row.items():
                data = np.ascontiguousarray(array)
                shape, offset = list(data.shape), stream.tell()
                case.append(TensorFile(name=name, dtype=str(data.dtype), shape=shape, path=file.name, offset=offset))
                stream.write(data.tobytes())
            cases.append(case)
    sha256 = digest(file)
    path = f"{parcel({file.name: sha256})}/{file.name}"
    (work / path).parent.mkdir(parents=True, exist_ok=True)
    file = file.rename(work / path)
    for tensor in (tensor for case in cases for tensor in case):
        tensor.path = path
    return cases, _job_file(path, file, sha256)


def _job_file(path: str, source: Path, sha256: str) -> JobFile:
    return JobFile(path=path, sha256=sha256, size=size_bytes(source))


def _check_feedback(artifact: Artifact, feedback: Mapping[str, str]) -> None:
    """Agents hand state back as it is stored, which is only right where both sides mean the same by a number."""
    inputs = {tensor.name: tensor for tensor in artifact.inputs}
    outputs = {tensor.name: tensor for tensor in artifact.outputs}
    for giver, taker in feedback.items():
        if giver not in outputs or taker not in inputs:
            raise LineError(
                f"state goes from output {giver!r} to input {taker!r}, which the artifact does not have",
                f"it has outputs {', '.join(outputs)} and inputs {', '.join(inputs)}",
            )
        there, back = outputs[giver], inputs[taker]
        if (there.dtype, there.quantization) != (back.dtype, back.quantization):
            raise LineError(
                f"state {taker!r} leaves as {there.dtype} ({there.quantization}) and enters as {back.dtype} "
                f"({back.quantization})",
                "keep this state's input and output float, or quantize both by the same scale",
            )


def to_stored(array: Array, tensor: Tensor) -> Array:
    """The array in the dtype the artifact stores: quantized by its scale and zero point, or cast.

    Raises DataError when an integer does not fit into the stored type.
    """
    dtype = np.dtype(tensor.dtype)
    if tensor.quantization is not None and np.issubdtype(array.dtype, np.floating):
        limits = np.iinfo(dtype)
        steps = np.rint(array.astype(np.float64) / tensor.quantization.scale) + tensor.quantization.zero_point
        quantized: Array = np.clip(steps, limits.min, limits.max).astype(dtype)
        return quantized
    stored: Array = array.astype(dtype, copy=False)
    if np.issubdtype(dtype, np.integer) and not np.array_equal(array, stored):
        raise DataError(
            f"input {tensor.name!r}: values from {array.min()} to {array.max()} do not fit into {tensor.dtype}",
            "check the data of this input",
        )
    return stored


def to_real(array: Array, tensor: Tensor) -> Array:
    """The numbers that stored ones stand for: float32 where they are quantized, unchanged elsewhere."""
    if tensor.quantization is None or np.issubdtype(array.dtype, np.floating):
        return array
    steps = array.astype(np.float64) - tensor.quantization.zero_point
    real: Array = (steps * tensor.quantization.scale).astype(np.float32)
    return real


def read_outputs(result: Result, job: Job, folder: Path, artifact: Artifact) -> list[dict[str, Array]]:
    """The captured outputs of the first run in `folder`, one dict per case in the model's order, dequantized."""
    if job.capture is None or result.runs[0].outputs is None:
        return []
    raw = (folder / job.capture).read_bytes()
    known = {tensor.name: tensor for tensor in artifact.outputs}
    cases = []
    for case in result.runs[0].outputs:
        row: dict[str, Array] = {}
        for tensor in case:
            dtype = np.dtype(tensor.dtype)
            count = int(np.prod(tensor.shape, dtype=np.int64))
            array = np.frombuffer(raw, dtype, count, tensor.offset).reshape(tensor.shape).copy()
            row[tensor.name] = to_real(array, known[tensor.name]) if tensor.name in known else array
        cases.append(row)
    return cases

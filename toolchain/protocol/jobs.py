"""Jobs from artifacts and rows of samples, and rows of outputs from their results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgeship.toolchain.artifact import Artifact, Tensor
from edgeship.toolchain.errors import DataError, LineError
from edgeship.toolchain.protocol.messages import Config, Job, JobArtifact, JobRuntime, Result, TensorFile
from edgeship.toolchain.samples import Array


def write_cases(rows: list[dict[str, Array]], work: Path, name: str = "inputs.bin") -> list[list[TensorFile]]:
    """Write the inputs of each case into one raw file in `work` and describe where they lie."""
    cases: list[list[TensorFile]] = []
    with (work / name).open("wb") as stream:
        for row in rows:
            case = []
            for key, array in row.items():
                data = np.ascontiguousarray(array)
                case.append(
                    TensorFile(
                        name=key,
                        dtype=str(data.dtype),
                        shape=list(data.shape),
                        path=name,
                        offset=stream.tell(),
                    )
                )
                stream.write(data.tobytes())
            cases.append(case)
    return cases


def make_job(
    artifact: Artifact,
    folder: Path,
    work: Path,
    rows: list[dict[str, Array]],
    config: Config,
    threads: int = 1,
    capture: bool = True,
    feedback: dict[str, str] | None = None,
    options: dict[str, Any] | None = None,
    deadline_ns: int = 600_000_000_000,
) -> Job:
    """A job over an artifact in `folder`, its inputs written to `work`.

    `rows` are the model's own inputs by name (float where the model is float): where the artifact stores an input as
    integers they are quantized here. Inputs that `feedback` fills may be missing in all rows but the first.
    `options` belong to the runtime (see apps/agents/python/agent.py). Raises DataError when a row does not fit.
    """
    feedback = feedback or {}
    _check_feedback(artifact, feedback)
    stored: list[dict[str, Array]] = []
    for index, row in enumerate(rows):
        full = {**{name: rows[0][name] for name in feedback.values() if name in rows[0]}, **row}
        expected = [tensor.name for tensor in artifact.inputs]
        if set(full) != set(expected):
            raise DataError(
                f"sample {index} has inputs {', '.join(full) or 'none'}; the model takes {', '.join(expected)}",
                "name the data's arrays as the model's inputs",
            )
        stored.append({tensor.name: to_stored(full[tensor.name], tensor) for tensor in artifact.inputs})
    return Job(
        artifact=JobArtifact(
            format=artifact.format,
            path=str((folder / artifact.file).resolve()),
            sha256=artifact.sha256,
            size=artifact.size_bytes,
        ),
        runtime=JobRuntime(
            name=artifact.runtime.name,
            backend=artifact.runtime.backend,
            threads=threads,
            options=options or {},
        ),
        config=config,
        cases=write_cases(stored, work),
        outputs=[tensor.name for tensor in artifact.outputs],
        capture="outputs.bin" if capture else None,
        feedback=feedback,
        deadline_ns=deadline_ns,
    )


def _check_feedback(artifact: Artifact, feedback: dict[str, str]) -> None:
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


def read_outputs(result: Result, job: Job, work: Path, artifact: Artifact) -> list[dict[str, Array]]:
    """The captured outputs of the first run, one dict per case in the model's order, dequantized."""
    if job.capture is None or result.runs[0].outputs is None:
        return []
    raw = (work / job.capture).read_bytes()
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

"""The agent for Core ML files on hosts without Core ML: reference evaluation of the file's own MIL program.

    python -m edgeship.targets.coreml.evaluate JOB.json RESULT.json     exit code 0; 1 when the result carries an error

It shows what the converter wrote, rounded as the file's types say, not what a Neural Engine computes: the result's
backend is `reference-evaluation`, and only mode `verify` is answered. An operator that it does not know is the error
UNKNOWN_OPERATOR of phase `load`. Operators that made an infinity out of finite numbers are listed in the run's
`check` as `overflows`.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from edgeship.toolchain.api import Array, EdgeshipError, Job, Result

if TYPE_CHECKING:
    from edgeship.targets.coreml.interpreter import Interpreter

BACKEND = "reference-evaluation"
Phase = Literal["start", "load", "measure"]


class AgentError(Exception):
    """What becomes the result's error."""

    def __init__(self, phase: Phase, code: str, message: str) -> None:
        super().__init__(message)
        self.phase, self.code = phase, code


def evaluate(job: Job, folder: Path) -> Result:
    """Run every case of a verify job once; `folder` is the job's. Failures are answered in the result."""
    run: dict[str, Any] = {"index": 0}
    try:
        run |= _run(job, folder)
    except AgentError as error:
        run["error"] = {"phase": error.phase, "code": error.code, "message": str(error)}
    return Result.model_validate(
        {
            "schema": "bench-result/1",
            "id": job.id,
            "agent": {"kind": "python", "version": "1", "imports_torch": True},
            "device": _machine(),
            "artifact": {
                "format": job.artifact.format,
                "sha256": job.artifact.sha256,
                "size": job.artifact.size,
            },
            "runtime": {"name": "coreml", "version": version("coremltools"), "backend": BACKEND},
            "config": job.config.model_dump(),
            "runs": [run],
        }
    )


def _machine() -> dict[str, Any]:
    system, arch = platform.system().lower(), platform.machine().lower()
    return {
        "os": {"name": {"darwin": "macos"}.get(system, system), "version": platform.release()},
        "cpu": {"arch": {"aarch64": "arm64", "amd64": "x86_64"}.get(arch, arch), "cores": os.cpu_count() or 1},
    }


def _run(job: Job, folder: Path) -> dict[str, Any]:
    if job.config.mode != "verify":
        raise AgentError(
            "start", "UNSUPPORTED_JOB", f"config.mode: reference evaluation verifies; it cannot do {job.config.mode}"
        )
    interpreter = _load(folder / job.artifact.path)
    main = interpreter.program.main
    given = [tensor.name for tensor in job.cases[0]]
    inputs = positions(given, [value.name for value in main.inputs], "inputs")
    found = [value.name for value in main.outputs]
    names = job.outputs or found
    outputs = positions(names, found, "outputs")
    captured: list[list[dict[str, Any]]] = []
    raw = bytearray()
    state: dict[str, Array] = {}
    for case in job.cases:
        arrays = {tensor.name: _read(tensor, folder) for tensor in case} | state
        answers = _invoke(interpreter, {inputs[name]: array for name, array in arrays.items()})
        row = {name: answers[outputs[name]] for name in names}
        state = {target: row[source] for source, target in job.feedback.items()}
        captured.append([])
        for name, array in row.items():
            shape = list(array.shape)
            captured[-1].append({"name": name, "dtype": str(array.dtype), "shape": shape, "offset": len(raw)})
            raw += np.ascontiguousarray(array).tobytes()
    answer: dict[str, Any] = {"completed": len(job.cases)}
    if interpreter.overflows:
        answer["check"] = {"overflows": sorted(interpreter.overflows)}
    if job.capture:
        # renamed when complete: a file that is there is whole
        part = folder / f"{job.capture}.part"
        part.write_bytes(raw)
        part.replace(folder / job.capture)
        answer["outputs"] = captured
    return answer


def _load(path: Path) -> Interpreter:
    from edgeship.targets.coreml.interpreter import Interpreter
    from edgeship.targets.coreml.upstream import read_program

    try:
        interpreter = Interpreter(read_program(path))
    except Exception as error:
        raise AgentError("load", "UNREADABLE", f"{path.name}: {error}") from error
    if unknown := interpreter.unknown():
        message = f"the reference evaluator does not know MIL's {', '.join(unknown)}"
        raise AgentError("load", "UNKNOWN_OPERATOR", message)
    return interpreter


def _read(tensor: Any, folder: Path) -> Array:
    dtype = np.dtype(tensor.dtype)
    count = int(np.prod(tensor.shape, dtype=np.int64))
    with (folder / tensor.path).open("rb") as stream:
        stream.seek(tensor.offset)
        return np.frombuffer(stream.read(count * dtype.itemsize), dtype).reshape(tensor.shape)


def _invoke(interpreter: Interpreter, inputs: dict[str, Array]) -> dict[str, Array]:
    import torch

    try:
        results = interpreter.run({name: torch.from_numpy(np.array(array)) for name, array in inputs.items()})
    except Exception as error:
        raise AgentError("measure", type(error).__name__, str(error)) from error
    return {name: tensor.numpy() for name, tensor in results.items()}


def positions(wanted: list[str], found: list[str], what: str) -> dict[str, str]:
    """The file's name for each of the model's: the same if all are there, else by position."""
    if set(wanted) == set(found):
        return {name: name for name in wanted}
    if len(wanted) != len(found):
        names = ", ".join(found)
        raise AgentError("load", "SIGNATURE", f"the file has {len(found)} {what} ({names}), the job {len(wanted)}")
    return dict(zip(wanted, found, strict=True))


def main(arguments: list[str]) -> int:
    """Read a job file, write a result file."""
    from edgeship.targets.coreml.upstream import coremltools_to_read

    coremltools_to_read()  # before torch is imported
    job_path, result_path = map(Path, arguments)
    try:
        job = Job.model_validate(json.loads(job_path.read_text()))
    except (OSError, ValueError) as error:
        raise EdgeshipError(f"{job_path}: not a job ({error})", "see apps/protocol") from error
    result = evaluate(job, job_path.parent)
    part = result_path.with_name(result_path.name + ".part")
    part.write_text(result.model_dump_json(by_alias=True, exclude_none=True, indent=1))
    part.replace(result_path)
    return 1 if result.runs[0].error else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

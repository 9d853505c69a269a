"""The stage that runs a program: its outputs are what artifacts are judged against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from edgeship.toolchain.build.memory import RUN_TIMES, expected
from edgeship.toolchain.build.records import OutputsRecord
from edgeship.toolchain.build.stages.stage import Report, Stage
from edgeship.toolchain.build.stages.stored import StoredProgram
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.plugin import Signature
from edgeship.toolchain.samples import Samples, load_samples
from edgeship.toolchain.timing import part

OUTPUTS = "outputs.safetensors"
RESIZED = "resized.safetensors"
RESIZED_OUTPUTS = "resized-outputs.safetensors"
STREAM_OUTPUTS = "stream-outputs.safetensors"


@dataclass(frozen=True)
class RunProgram(Stage):
    """A program's outputs on the first `rows` samples (None: all), row by row.

    With `rows`, beside them what only some programs can show: outputs at another size of its dynamic dimensions, and
    the outputs of a stream whose state is fed back. `row_scales` computes a dynamically quantized program as the
    runtimes do that choose activation scales per row.
    """

    work: ClassVar[str] = "outputs"

    program: StoredProgram
    key: str
    samples: Path
    rows: int | None = None
    row_scales: bool = False

    @property
    def memory_bytes(self) -> int:
        """For the program."""
        return expected(RUN_TIMES, self.program.size_bytes)

    def run(self, report: Report) -> str:
        """Every output is stored as [rows, *shape] under its name."""
        store = Store(self.program.origin.store)
        return store.once(self.key, OutputsRecord, lambda folder: self._make(folder, report)).key

    def _make(self, folder: Path, report: Report) -> OutputsRecord:
        import torch

        from edgeship.toolchain.quantization.row_scales import scale_by_rows

        data, signature = load_samples(self.samples), self.program.signature
        count = len(data) if self.rows is None else min(self.rows, len(data))
        resizes = self.rows is not None and signature.is_dynamic
        streams = self.rows is not None and bool(signature.state)
        report("progress", f"running the program on {count} samples")
        module = self.program.open().module()
        if self.row_scales:
            scale_by_rows(module)
        with torch.no_grad(), part("run"):
            _stack([_call(module, data.row(i)) for i in range(count)], signature).save(folder / OUTPUTS)
            if resizes:
                resized = _resized(data, signature)
                Samples({name: array[None] for name, array in resized.items()}).save(folder / RESIZED)
                _stack([_call(module, tuple(resized.values()))], signature).save(folder / RESIZED_OUTPUTS)
            if streams:
                _stack(_stream(module, data, count, signature), signature).save(folder / STREAM_OUTPUTS)
        return OutputsRecord(rows=count, resized=resizes, stream=streams)


def _call(module: Any, row: Sequence[Any]) -> list[Any]:
    import torch

    return [value.numpy() for value in module(*(torch.from_numpy(np.ascontiguousarray(a)) for a in row))]


def _stack(answers: Sequence[Sequence[Any]], signature: Signature) -> Samples:
    columns = zip(*answers, strict=True)
    return Samples({t.name: np.stack(column) for t, column in zip(signature.outputs, columns, strict=True)})


def _resized(data: Samples, signature: Signature) -> dict[str, Any]:
    """The first samples joined or repeated to another size of every dynamic dimension: 3, or the largest allowed."""
    resized = {}
    for tensor in signature.inputs:
        array = data.inputs[tensor.name][0]
        for axis, dim in enumerate(tensor.shape):
            if isinstance(dim, str):
                low, high = signature.dims[dim]
                size = min(high, max(low, 3 if array.shape[axis] != 3 else 2))
                if axis == 0:  # a batch: of different samples
                    array = np.concatenate([data.inputs[tensor.name][i % len(data)] for i in range(size)])
                array = np.take(array, np.arange(size) % array.shape[axis], axis=axis)
        resized[tensor.name] = array
    return resized


def _stream(module: Any, data: Samples, count: int, signature: Signature) -> list[list[Any]]:
    """Outputs of consecutive samples, each taking the state that the one before it answered."""
    names = [tensor.name for tensor in signature.outputs]
    state: dict[str, Any] = {}
    answers = []
    for index in range(count):
        row = [state.get(name, array[index]) for name, array in data.inputs.items()]
        answers.append(_call(module, row))
        state = {
            signature.state[name]: value
            for name, value in zip(names, answers[-1], strict=True)
            if name in signature.state
        }
    return answers

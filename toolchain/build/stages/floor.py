"""The stage that measures a program's noise floor: what its artifacts can be asked to reach."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from edgeship.toolchain.build.memory import RUN_TIMES, expected
from edgeship.toolchain.build.records import FloorRecord
from edgeship.toolchain.build.stages.stage import Report, Stage
from edgeship.toolchain.build.stages.stored import StoredProgram
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.errors import first_line
from edgeship.toolchain.plugin import Signature
from edgeship.toolchain.samples import load_samples
from edgeship.toolchain.timing import part


@dataclass(frozen=True)
class MeasureFloor(Stage):
    """The floor on the samples of `expected`, the program's outputs; `reference` are the float model's.

    `row_scales` as in RunProgram; `half` rounds every result to half precision, as some files compute.
    """

    work: ClassVar[str] = "floor"

    program: StoredProgram
    key: str
    samples: Path
    expected: Path
    reference: Path
    row_scales: bool
    half: bool

    @property
    def priority(self) -> int:
        """Nothing waits for it but the verdict."""
        return 2

    @property
    def memory_bytes(self) -> int:
        """For the program."""
        return expected(RUN_TIMES, self.program.size_bytes)

    def run(self, report: Report) -> str:
        """A program that cannot be run node by node has no floor, and its record says why."""
        return Store(self.program.origin.store).once(self.key, FloorRecord, lambda folder: self._make(report)).key

    def _make(self, report: Report) -> FloorRecord:
        from edgeship.toolchain.quantization.noise import floor
        from edgeship.toolchain.quantization.row_scales import scale_by_rows

        data, expected = load_samples(self.samples), dict(load_samples(self.expected).inputs)
        count = len(next(iter(expected.values())))
        rows = [{name: array[i] for name, array in data.inputs.items()} for i in range(count)]
        report("progress", f"measuring the noise floor on {count} samples")
        module = self.program.open().module()
        if self.row_scales:
            scale_by_rows(module)
        together = 1 if self.program.spec.has("dynamic") else _batch(self.program.signature)
        reference = dict(load_samples(self.reference).inputs)
        try:
            with part("run"):
                return FloorRecord(floor=floor(module, rows, expected, reference, self.half, together))
        except Exception as error:
            return FloorRecord(problem=f"{type(error).__name__}: {first_line(error)}")


def _batch(signature: Signature) -> int:
    """How many samples one call may take: as many as the first dimension of all inputs and outputs, if that is one."""
    firsts = {tensor.shape[0] if tensor.shape else 1 for tensor in (*signature.inputs, *signature.outputs)}
    name = firsts.pop()
    return signature.dims[name][1] if isinstance(name, str) and not firsts else 1

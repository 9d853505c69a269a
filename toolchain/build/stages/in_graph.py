"""Stages of [contract] in_graph: samples whose pictures are bytes, and programs that take them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from edgeship.toolchain.build.memory import PASS_TIMES, expected
from edgeship.toolchain.build.records import SAMPLES, DataRecord, ProgramRecord, samples_of
from edgeship.toolchain.build.stages.stage import Report, Stage
from edgeship.toolchain.build.stages.stored import PROGRAM, Origin, StoredProgram
from edgeship.toolchain.build.store import Entry, Store
from edgeship.toolchain.model import in_graph
from edgeship.toolchain.model import program as programs
from edgeship.toolchain.model.source import declared
from edgeship.toolchain.samples import load_samples
from edgeship.toolchain.timing import part


@dataclass(frozen=True)
class StoreBytes(Stage):
    """Samples with the bytes that their pictures were made of."""

    work: ClassVar[str] = "data"

    origin: Origin
    data: Entry[DataRecord]
    key: str

    def run(self, report: Report) -> str:
        """DataError where they are not made as the contract says."""

        def make(folder: Path) -> DataRecord:
            report("progress", "taking pictures back to their bytes")
            samples, warnings = in_graph.samples_in_graph(load_samples(samples_of(self.data)), self.origin.contract())
            samples.save(folder / SAMPLES)
            return self.data.record.model_copy(update={"warnings": warnings})

        return Store(self.origin.store).once(self.key, DataRecord, make).key


@dataclass(frozen=True)
class FoldContract(Stage):
    """A program with its contract in the graph."""

    work: ClassVar[str] = "pass"

    program: StoredProgram
    folded: Origin
    key: str

    @property
    def memory_bytes(self) -> int:
        """For the program and the one that it becomes."""
        return expected(PASS_TIMES, self.program.size_bytes)

    def run(self, report: Report) -> str:
        """The entry holds the program that targets take."""
        started = time.monotonic()

        def make(folder: Path) -> ProgramRecord:
            report("progress", "folding the contract into the graph")
            contract, before = self.program.origin.contract(), self.program.signature
            signature = declared(self.folded.source, before.outputs)
            example = self.folded.example()
            with part("export"):
                made = in_graph.fold(self.program.open(), before, signature, contract, example)
            with part("save"):
                programs.save(made, folder / PROGRAM)
            return ProgramRecord(
                signature=signature, spec=str(self.program.spec), warnings=(), seconds=time.monotonic() - started
            )

        return Store(self.folded.store).once(self.key, ProgramRecord, make).key

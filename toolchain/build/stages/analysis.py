"""The stage that asks an analysis."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from edgeship.toolchain.build.memory import PASS_TIMES, expected
from edgeship.toolchain.build.records import FindingsRecord
from edgeship.toolchain.build.stages.stage import Report, Stage
from edgeship.toolchain.build.stages.stored import StoredProgram
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.plugin import Analysis


@dataclass(frozen=True)
class Analyse(Stage):
    """Let an analysis look at the program before the pass it decides about."""

    work: ClassVar[str] = "analysis"

    program: StoredProgram
    analysis: Analysis
    key: str

    @property
    def memory_bytes(self) -> int:
        """As a pass."""
        return expected(PASS_TIMES, self.program.size_bytes)

    def run(self, report: Report) -> str:
        """Its warnings are told and not kept: a decision is shown once, when it is made."""
        store = Store(self.program.origin.store)

        def make(folder: Path) -> FindingsRecord:
            scratch = store.scratch(self.key)
            context = self.program.context(self.analysis.needs, scratch, lambda text: report("warning", text), report)
            found = self.analysis.decide(self.program.open(), context)
            return FindingsRecord(options=found.options, reasons=found.reasons)

        return store.once(self.key, FindingsRecord, make).key

"""Stages of one target: export a stored program to it, and before that import what it needs."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass
from pathlib import Path

from edgeship.toolchain import artifact as artifacts
from edgeship.toolchain.artifact import Contract, Provenance
from edgeship.toolchain.build.records import ArtifactRecord
from edgeship.toolchain.build.stages.stage import Report, Stage, collecting
from edgeship.toolchain.build.stages.stored import StoredProgram
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.plugin import Target

ARTIFACT = "artifact"


@dataclass(frozen=True)
class BuildArtifact(Stage):
    """Export one stored program to one target."""

    program: StoredProgram
    target_name: str
    target: Target
    key: str
    provenance: Provenance
    contract: Contract

    @property
    def family(self) -> str:
        """One worker per target: each imports other libraries."""
        return self.target_name

    @property
    def priority(self) -> int:
        """After the programs."""
        return 1

    @property
    def attempts(self) -> int:
        """A converter that kills its process does so again."""
        return 1

    def run(self, report: Report) -> str:
        """The entry's folder `artifact` holds the files and artifact.json."""
        started = time.monotonic()
        store = Store(self.program.origin.store)

        def make(folder: Path) -> ArtifactRecord:
            warnings, warn = collecting(report)
            context = self.program.context(self.target.needs, store.scratch(self.key), warn, report)
            report("progress", "converting")
            out = folder / ARTIFACT
            out.mkdir()
            artifact = self.target.export(self.program.open(), out, context)
            told = {"provenance": self.provenance, "contract": self.contract}
            artifacts.write(artifact.model_copy(update=told), out)
            return ArtifactRecord(warnings=tuple(warnings), seconds=time.monotonic() - started)

        store.once(self.key, ArtifactRecord, make)
        gc.collect()
        return self.key


@dataclass(frozen=True)
class WarmUp(Stage):
    """Let a target's worker import what it will need; it makes no entry."""

    target_name: str
    target: Target

    @property
    def family(self) -> str:
        """The worker that `BuildArtifact` will use."""
        return self.target_name

    @property
    def priority(self) -> int:
        """After all work."""
        return 3

    def run(self, report: Report) -> str:
        """Answers no key."""
        self.target.warm_up()
        return ""

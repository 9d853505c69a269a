"""Stages of one target: export a stored program to it, and before that import what it needs."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from edgeship.toolchain import artifact as artifacts
from edgeship.toolchain.artifact import Artifact, ConstantsAudit, Contract, Provenance
from edgeship.toolchain.build.memory import CONVERT_TIMES, expected
from edgeship.toolchain.build.records import ArtifactRecord
from edgeship.toolchain.build.stages.stage import Report, Stage, collecting
from edgeship.toolchain.build.stages.stored import StoredProgram
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.errors import first_line
from edgeship.toolchain.model.in_order import ORIGINS, origins_of
from edgeship.toolchain.plugin import Target
from edgeship.toolchain.registry import runtime_info
from edgeship.toolchain.timing import part

if TYPE_CHECKING:
    from torch.export import ExportedProgram

ARTIFACT = "artifact"


@dataclass(frozen=True)
class BuildArtifact(Stage):
    """Export one stored program to one target."""

    work: ClassVar[str] = "convert"

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

    @property
    def memory_bytes(self) -> int:
        """For the program, the converter's own and the audit."""
        return expected(CONVERT_TIMES, self.program.size_bytes)

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
            program = self.program.open()
            with part("convert"):
                artifact = self.target.export(program, out, context)
            told = {
                "provenance": self.provenance,
                "contract": self.contract,
                "constants": _audited(program, artifact, out, warn),
            }
            for name, source in self.program.origin.contract_files().items():
                (out / name).parent.mkdir(exist_ok=True)
                shutil.copyfile(source, out / name)
            artifacts.write(artifact.model_copy(update=told), out)
            return ArtifactRecord(warnings=tuple(warnings), seconds=time.monotonic() - started)

        store.once(self.key, ArtifactRecord, make)
        return self.key


def _audited(
    program: ExportedProgram, artifact: Artifact, folder: Path, warn: Callable[[str], None]
) -> ConstantsAudit | None:
    """What was found of the program's constants in the file; None, with a warning, where the reader fails.

    Beside the file comes where its operators are from, where the target does not know it better.
    """
    from edgeship.toolchain.model.audit import compared_file

    try:
        with part("audit"):
            found = compared_file(program, artifact, folder)
            if found is None:
                return None
            runtime = runtime_info(artifact.runtime.name)
            if runtime and runtime.tells_kinds and (origins := origins_of(found.layers)):
                (folder / ORIGINS).write_text(json.dumps(origins, indent=1))
            return found.audit
    except Exception as error:  # an unknown form of a file is no fault of the file
        warn(f"the constants of {artifact.file} could not be compared with the program's: {first_line(error)}")
        return None


@dataclass(frozen=True)
class WarmUp(Stage):
    """Let a target's worker import what it will need; it makes no entry."""

    work: ClassVar[str] = "import"

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

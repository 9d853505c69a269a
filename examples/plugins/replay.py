"""A device: answers with results that were recorded elsewhere, one file per artifact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeship.toolchain.api import Artifact, Device, DeviceError, Job, Mode, Result


class Replay(Device):
    """Looks a job's result up in a folder by the artifact's digest and the job's mode."""

    folder: Path

    def facts(self) -> dict[str, Any]:
        return {"os": {"name": "linux"}, "cpu": {"arch": "arm64"}}

    def conditions(self, artifact: Artifact) -> dict[str, Any]:
        return {"folder": str(self.folder)}

    def can_execute(self, artifact: Artifact, mode: Mode = "verify") -> str | None:
        return None if self._file(artifact, mode).exists() else f"nothing was recorded for {artifact.file}, {mode}"

    def execute(self, artifact: Artifact, folder: Path, job: Job, work: Path) -> Result:
        if reason := self.can_execute(artifact, job.config.mode):
            raise DeviceError(reason, f"record it into {self.folder}")
        return Result.load(self._file(artifact, job.config.mode))

    def _file(self, artifact: Artifact, mode: Mode) -> Path:
        return self.folder / f"{artifact.sha256}-{mode}.json"

"""A device: answers with results that were recorded elsewhere, one file per artifact."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from pydantic import Field

from edgeship.toolchain.api import Artifact, Device, Job, JobFiles, Link, Mode, Result


class Replay(Device, Link):
    """Looks a job's result up in a folder by the artifact's digest and the job's mode."""

    folder: Path = Field(description="where `record` kept the results")

    def open(self) -> AbstractContextManager[Link]:
        return nullcontext(self)  # nothing to connect to: it is its own link

    def facts(self) -> dict[str, Any]:
        return {"os": {"name": "linux"}, "cpu": {"arch": "arm64"}}

    def conditions(self, artifact: Artifact) -> dict[str, Any]:
        return {"folder": str(self.folder)}

    def can_execute(self, artifact: Artifact, mode: Mode = "verify") -> str | None:
        there = (self.folder / f"{artifact.sha256}-{mode}.json").exists()
        return None if there else f"nothing was recorded for {artifact.file}, {mode}"

    def execute(self, job: Job, files: JobFiles) -> Result:
        recorded = self.folder / f"{job.artifact.sha256}-{job.config.mode}.json"
        if job.capture:  # its outputs lie beside it
            shutil.copyfile(recorded.with_suffix(".bin"), files.folder / job.capture)
        return Result.load(recorded)

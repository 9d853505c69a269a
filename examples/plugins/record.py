"""A device: executes here and keeps every answer in a folder, for `replay` on another machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import Field

from edgeship.toolchain.api import Artifact, Device, Job, JobFiles, Link, Mode, Result
from edgeship.toolchain.devices.local import Local


class Record(Device):
    """This machine, whose results are written into a folder, one file for each artifact and mode."""

    folder: Path = Field(description="takes the results; made where it is missing")

    @contextmanager
    def open(self) -> Iterator[Link]:
        self.folder.mkdir(exist_ok=True)
        with Local().open() as link:
            yield Recorder(link, self.folder)


class Recorder(Link):
    def __init__(self, link: Link, folder: Path) -> None:
        self._link = link
        self._folder = folder

    def facts(self) -> dict[str, Any]:
        return self._link.facts()

    def conditions(self, artifact: Artifact) -> dict[str, Any]:
        return self._link.conditions(artifact)

    def can_execute(self, artifact: Artifact, mode: Mode = "verify") -> str | None:
        return self._link.can_execute(artifact, mode)

    def execute(self, job: Job, files: JobFiles) -> Result:
        result = self._link.execute(job, files)
        recorded = self._folder / f"{job.artifact.sha256}-{job.config.mode}.json"
        recorded.write_text(result.model_dump_json(by_alias=True, exclude_none=True))
        if job.capture:
            shutil.copyfile(files.folder / job.capture, recorded.with_suffix(".bin"))
        return result

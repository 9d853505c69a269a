"""A device that could not be reached: nothing is executed on it, and the others go on."""

from __future__ import annotations

from typing import Any

from edgeship.toolchain.api import Artifact, DeviceError, Job, JobFiles, Link, Mode, Result


class Absent(Link):
    """Stands where a device's link would; `reason` is what opening it raised."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def facts(self) -> dict[str, Any]:
        """None are known."""
        return {"os": {}, "cpu": {}}

    def conditions(self, artifact: Artifact) -> dict[str, Any]:
        """The reason."""
        return {"not reached": self.reason}

    def can_execute(self, artifact: Artifact, mode: Mode = "verify") -> str | None:
        """Nothing, in no mode."""
        return f"not reached: {self.reason}"

    def execute(self, job: Job, files: JobFiles) -> Result:
        """DeviceError."""
        raise DeviceError(self.reason)

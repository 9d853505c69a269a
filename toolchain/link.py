"""An open way to a device: what its machine is, what it can execute, and one launch after another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgeship.toolchain.artifact import Artifact
    from edgeship.toolchain.protocol.files import JobFiles
    from edgeship.toolchain.protocol.messages import Job, Mode, Result


class Link(ABC):
    """What `Device.open` yields: this run's alone until it is closed; several threads may launch over one link."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """The `device` part of bench-result/1."""

    @abstractmethod
    def conditions(self, artifact: Artifact) -> dict[str, Any]:
        """What a result depends on besides artifact and protocol: the machine, the agent's code, the runtime's version.
        Two equal answers mean that a stored result may stand for a new one."""

    @abstractmethod
    def can_execute(self, artifact: Artifact, mode: Mode = "verify") -> str | None:
        """Why this device cannot execute the artifact in this mode, or None."""

    @abstractmethod
    def execute(self, job: Job, files: JobFiles) -> Result:
        """Run one job in a fresh process. The result may carry an error in runs[0]: what the runtime said of the file.

        Without a result: CrashError where the agent brought its end on itself, so that the file may be the reason;
        DeviceError where the device or the way to it failed; MissingError where something is not installed.
        """

    def is_slow(self, artifact: Artifact) -> bool:
        """Whether it takes seconds here for what a phone does in milliseconds, so that only a few samples are run."""
        return False

    def is_shared(self) -> bool:
        """Whether other work may run beside a measurement now: a virtual machine, or a loaded one."""
        return False

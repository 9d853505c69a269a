"""An iPhone or iPad as a device: found and described by devicectl, on a Mac; its app is given jobs by hand."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from edgeship.toolchain.api import Artifact, Device, DeviceError, Job, JobFiles, Link, MissingError, Mode, Result
from edgeship.toolchain.devices.ios.listing import Phone, chosen, read

ASK_S = 60
BY_HAND = "an iPhone runs files in an app alone, and edgeship's is given its jobs by hand: apps/ios/README.md"


class Ios(Device):
    """Finds an iPhone or iPad by Xcode's devicectl (macOS); the app of apps/ios executes files there, by hand."""

    name: str = Field(
        "", description="its name, identifier or UDID, as `devicectl list devices` says; empty: the only one"
    )

    @contextlib.contextmanager
    def open(self) -> Iterator[IosLink]:
        """MissingError without Xcode; DeviceError where it is not there, not paired or not in developer mode."""
        yield IosLink(chosen(read(_listed()), self.name))


class IosLink(Link):
    """What is known of it."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone

    def facts(self) -> dict[str, Any]:
        """As devicectl tells."""
        return self._phone.facts()

    def conditions(self, artifact: Artifact) -> dict[str, Any]:
        """The device."""
        return {"device": self.facts()}

    def can_execute(self, artifact: Artifact, mode: Mode = "verify") -> str | None:
        """Nothing from here."""
        return BY_HAND

    def execute(self, job: Job, files: JobFiles) -> Result:
        """DeviceError."""
        raise DeviceError(BY_HAND, "build the file here and verify it on a Mac, by Core ML's own runtime")


def _listed() -> bytes:
    if shutil.which("xcrun") is None:
        raise MissingError(
            "there is no xcrun: iPhones are reached by Xcode's devicectl", "run this on a Mac with Xcode 15"
        )
    with tempfile.TemporaryDirectory(prefix="edgeship-") as folder:
        answer = Path(folder) / "devices.json"
        command = ["xcrun", "devicectl", "list", "devices", "--json-output", str(answer)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=ASK_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise DeviceError(
                f"devicectl did not answer within {ASK_S} s", "is a phone waiting to be unlocked?"
            ) from error
        if done.returncode or not answer.is_file():
            said = (done.stderr or done.stdout).strip().splitlines()
            raise DeviceError(
                f"devicectl ended with code {done.returncode}: {said[-1] if said else 'no word'}", "see Xcode"
            )
        return answer.read_bytes()

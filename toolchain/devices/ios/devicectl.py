"""What Xcode's devicectl is asked, a command at a time, and the one JSON document that it answers each with.

Source: its answers as others published them (jsonVersion 2 to 4, Xcode 15 and later; tests/recorded/apple). Only single
files are copied: what it makes of a folder's name differs between what is published.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from edgeship.toolchain.api import DeviceError, MissingError

ASK_S = 60.0
COPY_S = 600.0
NO_FILE = "Failed to retrieve the file node"
"""What it says of a file that is not there; its code, 7000, stands for other failures, too."""
REMEDIES = {
    "unlocked": "unlock it, and keep it so: Settings, Display & Brightness, Auto-Lock",
    "explicitly trusted": "Settings, General, VPN & Device Management: trust the developer",
    "timed out": "plug it in, or bring it nearer: its tunnel broke",
}
"""A piece of what it says → what helps."""
Answer = TypeVar("Answer", bound=BaseModel)
_TOLD = ("NSLocalizedDescription", "NSLocalizedFailureReason", "NSDescription")


class App(BaseModel):
    """An app as a phone has it; the place changes whenever it is installed."""

    id: str = Field(alias="bundleIdentifier")
    version: str = ""
    build: str = Field("", alias="bundleVersion")
    url: str = ""


class _Process(BaseModel):
    pid: int = Field(alias="processIdentifier")


class _Apps(BaseModel):
    apps: list[App]


class _Launched(BaseModel):
    process: _Process


class _Running(BaseModel):
    processes: list[_Process] = Field(alias="runningProcesses")


class RefusedError(DeviceError):
    """devicectl said that it did not do it."""


def ask(answer: type[Answer], *words: str, seconds: float = ASK_S) -> Answer:
    """What devicectl answers to a command.

    MissingError without Xcode; RefusedError with its own words where it did not do it; DeviceError where it did not
    answer in time or answers otherwise than expected.
    """
    if shutil.which("xcrun") is None:
        raise MissingError(
            "there is no xcrun: iPhones are reached by Xcode's devicectl", "run this on a Mac with Xcode 15"
        )
    with tempfile.TemporaryDirectory(prefix="edgeship-") as folder:
        told = Path(folder) / "answer.json"
        command = ["xcrun", "devicectl", *words, "--json-output", str(told)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired as error:
            raise DeviceError(
                f"devicectl did not answer within {seconds:g} s", "is a phone waiting to be unlocked?"
            ) from error
        document = told.read_bytes() if told.is_file() else b"{}"
    if done.returncode:
        reasons = _reasons(document)
        said = [reasons[0], reasons[-1]] if reasons else (done.stderr or done.stdout).strip().splitlines()[-1:]
        why = ": ".join(dict.fromkeys(text.rstrip(".") for text in said)) or "no word"
        hint = next((text for piece, text in REMEDIES.items() if piece in why), "see Xcode, Devices and Simulators")
        raise RefusedError(f"devicectl ended with code {done.returncode}: {why}", hint)
    return result_of(answer, document)


def result_of(answer: type[Answer], document: bytes) -> Answer:
    """The result in devicectl's JSON; DeviceError for what is none."""
    try:
        return answer.model_validate(json.loads(document)["result"])
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, ("result", *first["loc"])))
        why = f"{place}: {first['msg']}"
    except (ValueError, KeyError, TypeError):
        why = "its JSON has no result"
    raise DeviceError(f"devicectl answered otherwise than expected: {why}", "Xcode 15 or later")


def _reasons(document: bytes) -> list[str]:
    """What its error says, from the outermost to the cause."""
    try:
        return list(_texts(json.loads(document).get("error")))
    except (ValueError, AttributeError):
        return []


def _texts(error: Any) -> Iterator[str]:
    told = error.get("userInfo", {}) if isinstance(error, dict) else {}
    for name in _TOLD:
        if text := (told.get(name) or {}).get("string"):
            yield str(text)
    if cause := (told.get("NSUnderlyingError") or {}).get("error"):
        yield from _texts(cause)


class Nothing(BaseModel):
    """Of an answer nothing is needed."""


class PhoneApp:
    """An app on a phone."""

    def __init__(self, identifier: str, app: str) -> None:
        self._to = ("--device", identifier)
        self._app = app
        self._container = (*self._to, "--domain-type", "appDataContainer", "--domain-identifier", app)

    def installed(self) -> App | None:
        """The app, if it is there."""
        found = ask(_Apps, "device", "info", "apps", *self._to, "--bundle-id", self._app)
        return next((app for app in found.apps if app.id == self._app), None)

    def put(self, source: Path, path: str) -> None:
        """Copy a file to a path in the app's container."""
        words = ("--source", str(source), "--destination", path)
        ask(Nothing, "device", "copy", "to", *self._container, *words, seconds=COPY_S)

    def get(self, path: str, target: Path) -> bool:
        """Copy a file of the app's container here; False when there is none."""
        words = ("--source", path, "--destination", str(target))
        try:
            ask(Nothing, "device", "copy", "from", *self._container, *words, seconds=COPY_S)
        except RefusedError as error:
            if NO_FILE in str(error):
                return False
            raise
        return True

    def launch(self, variables: dict[str, str]) -> int:
        """Start the app anew with variables of its environment; its process. Never with --console, which debugs it."""
        words = ("--terminate-existing", "--environment-variables", json.dumps(variables), self._app)
        return ask(_Launched, "device", "process", "launch", *self._to, *words).process.pid

    def runs(self, pid: int) -> bool:
        """Whether a process is there."""
        return any(process.pid == pid for process in ask(_Running, "device", "info", "processes", *self._to).processes)

    def end(self, pid: int) -> None:
        """End a process."""
        ask(Nothing, "device", "process", "terminate", *self._to, "--pid", str(pid), "--kill")

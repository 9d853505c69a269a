"""One phone by the system's adb: whatever is asked goes to this serial, and to no other."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from edgeship.toolchain.api import DeviceError, MissingError
from edgeship.toolchain.devices.remote.shell import Remote

ASK_S = 30.0
STATES = {
    "unauthorized": "unlock it and allow debugging from this computer",
    "offline": "plug it in again, or `adb reconnect`",
    "no permissions": "this user may not use the USB port: see udev rules of adb",
}


@dataclass(frozen=True)
class Attached:
    """A phone as `adb devices -l` lists it."""

    serial: str
    state: str
    model: str


class Connection(Remote):
    """Commands on the phone of a serial."""

    def line(self, script: str) -> list[str]:
        """Without a terminal, so that bytes go through as they are; both streams and the code apart (shell v2)."""
        return ["adb", "-s", self.host, "shell", "-T", script]


def attached() -> Iterator[Attached]:
    """Every phone that adb knows of; MissingError without adb."""
    told = _adb("devices", "-l")
    for line in told.splitlines():
        if found := re.match(r"(\S+)\s+(device|offline|unauthorized|no permissions|recovery|sideload)\b", line):
            model = re.search(r"\bmodel:(\S+)", line)
            yield Attached(found[1], found[2], model[1].replace("_", " ") if model else "")


def connection_to(serial: str) -> Connection:
    """The phone of this serial, or the only one where it is empty; DeviceError with what helps where there is none."""
    phones = list(attached())
    known = ", ".join(f"{phone.serial} ({phone.model or phone.state})" for phone in phones)
    if not serial:
        if len(phones) != 1:
            reason = f"adb knows {len(phones)} phones: {known}" if phones else "adb knows no phone"
            remedy = (
                'name one: serial = "…"' if phones else "plug one in with USB debugging on, or `adb connect HOST:PORT`"
            )
            raise DeviceError(reason, remedy)
        serial = phones[0].serial
    (state,) = [phone.state for phone in phones if phone.serial == serial] or ["not attached"]
    if state != "device":
        raise DeviceError(f"the phone {serial} is {state}", STATES.get(state, f"adb knows {known or 'no phone'}"))
    features = _adb("-s", serial, "features").split()
    if "shell_v2" not in features:
        raise DeviceError(f"the phone {serial} is too old: its adbd tells no exit codes", "Android 7 and later do")
    return Connection(serial)


def _adb(*words: str) -> str:
    if shutil.which("adb") is None:
        raise MissingError("there is no adb on this machine", "install it: Android platform-tools, or apt install adb")
    try:
        done = subprocess.run(["adb", *words], capture_output=True, text=True, timeout=ASK_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise DeviceError(f"adb {words[-1]} did not answer within {ASK_S:g} s", "try `adb kill-server`") from error
    if done.returncode:
        raise DeviceError(f"adb {' '.join(words)}: {(done.stderr or done.stdout).strip()}", "try `adb kill-server`")
    return done.stdout

"""One connection to a machine by the system's ssh."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgeship.toolchain.api import DeviceError, MissingError
from edgeship.toolchain.devices.remote.shell import Remote

CONNECT_S = 15
IDLE_S = 60
"""How long a connection outlives us where we are killed."""


class Connection(Remote):
    """Commands on `host` over one connection, kept open; configuration, keys and jump hosts are the user's.

    Nothing is ever asked: without a key that opens the door, or with a host key that is not known, it is closed.
    """

    def __init__(self, host: str, options: Sequence[str], socket: Path) -> None:
        super().__init__(host)
        settings = {
            "BatchMode": "yes", "ConnectTimeout": str(CONNECT_S), "ServerAliveInterval": "5",
            "ControlMaster": "auto", "ControlPath": str(socket), "ControlPersist": str(IDLE_S),
        }  # fmt: skip
        words = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
        self._ssh = ["ssh", "-T", *words, *(word for option in options for word in ("-o", option)), "--", host]

    def line(self, script: str) -> list[str]:
        """By the connection's socket."""
        return [*self._ssh, script]

    def close(self) -> None:
        """End it."""
        subprocess.run([*self._ssh[:-2], "-O", "exit", "--", self.host], capture_output=True, check=False)


@contextlib.contextmanager
def connected(host: str, options: Sequence[str] = ()) -> Iterator[Connection]:
    """Open a connection; MissingError without ssh, DeviceError with ssh's own words where the door stays closed."""
    if shutil.which("ssh") is None:
        raise MissingError("there is no ssh on this machine", "install openssh-client")
    with tempfile.TemporaryDirectory(prefix="edgeship-ssh-") as folder:
        connection = Connection(host, options, Path(folder) / "c")
        try:
            try:
                connection.ask("true")
            except DeviceError as error:
                said = str(error).rpartition("was lost: ")[2]
                hint = f"`ssh -o BatchMode=yes {host} true` must work without a question"
                raise DeviceError(f"{host} cannot be reached: {said}", hint) from error
            yield connection
        finally:
            connection.close()

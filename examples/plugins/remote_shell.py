"""A device: any machine on which a command line can be run (ssh, docker exec, a shell of this one)."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO

from pydantic import Field

from edgeship.toolchain.api import Device, DeviceError, Link, Shell

TIMED_OUT, UNREACHABLE = 124, 255  # the exit codes of timeout and of ssh


class RemoteShell(Device):
    """Runs agents through a command that takes a command line as its last word."""

    command: tuple[str, ...] = Field(
        min_length=1, description="['ssh', 'board'], ['docker', 'exec', '-i', 'box', 'sh', '-c']"
    )
    folder: str = Field("/tmp/edgeship", description="a folder there, made where it is missing")
    python: str = Field("python3", description="the Python there that has the runtimes")

    def open(self) -> AbstractContextManager[Link]:
        return nullcontext(RemoteLink(self))


class RemoteLink(Shell):
    """`run`, `put` and `get`: what a job needs is built on these three."""

    def __init__(self, device: RemoteShell) -> None:
        super().__init__(device.folder)
        self.command, self.python = device.command, device.python

    def run(self, command: Sequence[str], log: Path, seconds: float, environment: Mapping[str, str]) -> int:
        settings = [f"{name}={value}" for name, value in environment.items()]
        with log.open("wb") as stream:
            code = self._there(["env", *settings, "timeout", "-k", "1", str(seconds), *command], stdout=stream)
        if code == TIMED_OUT:
            raise TimeoutError
        return 128 - code if code > 128 else code  # as shells tell a signal

    def put(self, source: Path, path: str) -> None:
        place = self.at(path)
        partial = f"{place}.part"  # what is at `place` is whole: renamed when all of it is there
        unpack = 'mkdir -p "$0" && tar -xf - -C "$0" && mv "$0/$1" "$2" && rmdir "$0"'
        pack = ["tar", "-chf", "-", "-C", str(source.absolute().parent), source.name]
        with subprocess.Popen(pack, stdout=subprocess.PIPE) as packed:
            code = self._there(["sh", "-c", unpack, partial, source.name, place], stdin=packed.stdout)
        if code or packed.returncode:
            raise DeviceError(
                f"cannot bring {source.name} to {' '.join(self.command)}", f"is {self.root} writable there?"
            )

    def get(self, path: str, target: Path) -> bool:
        with target.open("wb") as stream:
            code = self._there(["cat", self.at(path)], stdout=stream)
        if code:
            target.unlink()
        return code == 0

    def _there(self, words: Sequence[str], stdin: IO[bytes] | None = None, stdout: IO[bytes] | None = None) -> int:
        """Run a command there to its end."""
        code = subprocess.run(
            [*self.command, shlex.join(words)],
            stdin=stdin or subprocess.DEVNULL, stdout=stdout or subprocess.DEVNULL, stderr=subprocess.STDOUT,
        ).returncode  # fmt: skip
        if code == UNREACHABLE:
            raise DeviceError(f"{' '.join(self.command)} does not answer", "run it with `true` to see why")
        return code

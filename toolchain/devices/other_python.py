"""This host with the runtimes of another Python: the same files, another version of what executes them."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from edgeship.toolchain.api import Agent, MissingError, Mode, RuntimeInfo, Shell
from edgeship.toolchain.devices.agents.kept import kept
from edgeship.toolchain.devices.agents.python import PYTHON
from edgeship.toolchain.devices.local import LocalLink

INSTALL_S = 1800


class OtherPython(LocalLink):
    """Every file runs under the Python agent in this Python, so that two of them differ by their runtimes alone."""

    def __init__(self, python: Path) -> None:
        super().__init__()
        self.python = str(python)

    def agents(self, runtime: RuntimeInfo) -> tuple[Agent, ...]:
        """The one that is a Python program."""
        return (PYTHON,)

    def agent_for(self, runtime: RuntimeInfo, mode: Mode) -> tuple[Agent, Mapping[str, Path]]:
        """What is installed for edgeship's own Python says nothing of that one."""
        return Shell.agent_for(self, runtime, mode)


def python_with(*requirements: str) -> Path:
    """A Python of this version that has requirements (`onnxruntime==1.30.0`) and numpy, kept in the cache.

    MissingError with pip's words where it cannot be had.
    """

    def make(folder: Path) -> None:
        _call([sys.executable, "-m", "venv", str(folder / "venv")], "a Python of its own")
        pip = [str(folder / "venv" / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        _call([*pip, "--disable-pip-version-check", "numpy", *requirements], named)

    named = " ".join(requirements)
    key = hashlib.sha256(f"{sys.version} {named}".encode()).hexdigest()[:24]
    return kept("pythons", key, named, make) / "venv" / "bin" / "python"


def _call(command: list[str], what: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise MissingError(f"{what} was not installed within {INSTALL_S} s", "is pip's index reached?") from error
    if done.returncode:
        said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        told = next((line for line in reversed(said) if line.startswith("ERROR")), said[-1] if said else "no word")
        raise MissingError(f"{what} cannot be installed: {told.removeprefix('ERROR: ')}", "does this version exist?")

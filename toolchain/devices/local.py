"""This host as a device: every job in a fresh process that ends by its deadline."""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from edgeship.toolchain.api import (
    Agent,
    Artifact,
    Job,
    JobFiles,
    Mode,
    Result,
    RuntimeInfo,
    Shell,
    Transport,
    missing_extra,
    runtime_info,
)
from edgeship.toolchain.devices.agents.python import facts
from edgeship.toolchain.devices.timed import Timed


class Local(Timed):
    """Executes artifacts on the machine edgeship runs on."""

    @contextlib.contextmanager
    def open(self) -> Iterator[LocalLink]:
        """Never taken: runs on one host may verify beside each other."""
        yield LocalLink(self.pin_cpus, self.cool_c)


class LocalLink(Shell):
    """The folder of each launch is its own root: its inputs are there already, artifacts are brought as links."""

    transport: Transport | None = "local"
    python = sys.executable

    def __init__(self, pin_cpus: Sequence[int] = (), cool_c: float | None = None) -> None:
        super().__init__(tempfile.gettempdir(), pin_cpus, cool_c)

    def facts(self) -> dict[str, Any]:
        """Without a process."""
        return facts()

    def conditions(self, artifact: Artifact) -> dict[str, Any]:
        """And the runtime's version here."""
        runtime = runtime_info(artifact.runtime.name)
        return {**super().conditions(artifact), "runtime": _version(runtime) if runtime else ""}

    def agent_for(self, runtime: RuntimeInfo, mode: Mode) -> tuple[Agent, Mapping[str, Path]]:
        """MissingError with the install command when the runtime is not installed."""
        if importlib.util.find_spec(runtime.package) is None:
            raise missing_extra(runtime.extra, runtime.distribution)
        return super().agent_for(runtime, mode)

    def execute(self, job: Job, files: JobFiles) -> Result:
        """In the folder of the launch, which this machine has."""
        here = copy.copy(self)
        here.root = str(files.folder)
        return Shell.execute(here, job, files)

    def put(self, source: Path, path: str) -> None:
        """A link."""
        place = Path(self.at(path))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(source.resolve())

    def get(self, path: str, target: Path) -> bool:
        """Moved: what is asked for once need not be copied."""
        if not Path(self.at(path)).is_file():
            return False
        Path(self.at(path)).rename(target)
        return True

    def has(self, path: str) -> bool:
        """Without a process."""
        return Path(self.at(path)).exists()

    def remove(self, paths: Sequence[str]) -> None:
        """Nothing: the folder of a launch goes with it."""

    def run(self, command: Sequence[str], log: Path, seconds: float, environment: Mapping[str, str]) -> int:
        """In a process group of its own, killed whole at the deadline or when we are interrupted."""
        with log.open("wb") as stream:
            process = subprocess.Popen(
                command,
                cwd=self.root,
                env=self._environment(environment),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            return process.wait(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError from error
        finally:
            if process.returncode is None:  # past its deadline, or we were interrupted
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _environment(self, ours: Mapping[str, str]) -> dict[str, str]:
        """Of a process: this one's, but for what would change a Python in it."""
        return {**{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}, **ours}


def _version(runtime: RuntimeInfo) -> str:
    """The installed version of a runtime, empty when it is not installed."""
    try:
        return version(runtime.distribution)
    except PackageNotFoundError:
        return ""

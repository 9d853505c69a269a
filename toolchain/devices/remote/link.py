"""A machine with a shell as a link: native agents are brought there, or the Python there is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgeship.toolchain.api import Agent, Artifact, Mode, RuntimeInfo, Shell
from edgeship.toolchain.devices.remote.machine import Machine
from edgeship.toolchain.devices.remote.shell import Remote
from edgeship.toolchain.devices.timed import Timed
from edgeship.toolchain.shell import known

HAS_PACKAGES = """python=$1; shift
exec "$python" -I -c 'import sys, importlib.util as u; sys.exit(not all(map(u.find_spec, sys.argv[1:])))' "$@" """


class RemoteLink(Shell):
    """A machine over one connection; without `python` only agents that bring all they need run there."""

    def __init__(self, connection: Remote, machine: Machine, device: Timed, python: str = "") -> None:
        super().__init__(machine.folder, device.pin_cpus, device.cool_c)
        self.python = python
        self._connection, self._machine = connection, machine
        self._packages: dict[str, bool] = {}

    def facts(self) -> dict[str, Any]:
        """As its shell told when the connection was opened."""
        return self._machine.facts

    def can_execute(self, artifact: Artifact, mode: Mode = "verify") -> str | None:
        """And whether an agent can be had for this machine, and has a time where it is asked for one."""
        if mode != "verify" and self.facts().get("emulator"):
            return f"{self._connection.host} is emulated by {self.facts()['emulated_by']}: it has no {mode}"
        if reason := super().can_execute(artifact, mode):
            return reason
        runtime = known(artifact.runtime.name)
        if any(agent.brings_runtime and mode in agent.modes for agent in self.agents(runtime)):
            return None
        if not self.python:
            return f"no agent that could be brought to {self._connection.host} drives {runtime.title}"
        if self._has(runtime.package):
            return None
        return f"{self.python} on {self._connection.host} has not both numpy and {runtime.package}"

    def is_slow(self, artifact: Artifact) -> bool:
        """And a machine that is emulated: a tenth of a real one's speed at best."""
        return bool(self.facts().get("emulator")) or super().is_slow(artifact)

    def agents(self, runtime: RuntimeInfo) -> tuple[Agent, ...]:
        """Those that bring all they need, then those that need a Python with the runtime."""
        travelling = [agent for agent in super().agents(runtime) if agent.travels]
        usable = [agent for agent in travelling if agent.brings_runtime or self.python]
        return tuple(sorted(usable, key=lambda agent: not agent.brings_runtime))

    def _has(self, package: str) -> bool:
        """Whether the Python there has numpy and a package."""
        if package not in self._packages:
            there = self._connection.succeeds(HAS_PACKAGES, self.python, "numpy", package)
            self._packages[package] = there
        return self._packages[package]

    def run(self, command: Sequence[str], log: Path, seconds: float, environment: Mapping[str, str]) -> int:
        """Over the connection."""
        return self._connection.run(command, log, seconds, environment)

    def put(self, source: Path, path: str) -> None:
        """Packed into one stream."""
        self._connection.put(source, self.at(path))

    def get(self, path: str, target: Path) -> bool:
        """As a stream."""
        return self._connection.get(self.at(path), target)

"""A board or a server as a device, by ssh: agents are brought there and run in a folder of ours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from edgeship.toolchain.api import Agent, Artifact, Mode, RuntimeInfo, Shell, Transport
from edgeship.toolchain.devices.ssh.connection import Connection, connected
from edgeship.toolchain.devices.ssh.lease import leased
from edgeship.toolchain.devices.ssh.machine import PROBE, Machine, read
from edgeship.toolchain.devices.timed import Timed
from edgeship.toolchain.shell import known

HAS_PACKAGES = """python=$1; shift
exec "$python" -I -c 'import sys, importlib.util as u; sys.exit(not all(map(u.find_spec, sys.argv[1:])))' "$@" """


class Ssh(Timed):
    """Executes artifacts on a Linux machine that the system's ssh reaches without a question."""

    host: str = Field(
        min_length=1, pattern="^[^-]", description="as ssh takes it: board, user@board, or a name of ~/.ssh/config"
    )
    options: tuple[str, ...] = Field(
        (), description="ssh options beside ~/.ssh/config: ['Port=2222', 'IdentityFile=k']"
    )
    folder: str = Field(
        "~/.cache/edgeship", description="ours there; files are found again by digest, so that none is sent twice"
    )
    python: str = Field("python3", description="the Python there, for runtimes that no native agent drives")
    wait_s: float = Field(0, ge=0, description="how long to wait for another run that uses the machine")

    @contextlib.contextmanager
    def open(self) -> Iterator[SshLink]:
        """DeviceError where the machine is not reached, is another run's, or nothing may be executed in the folder."""
        with connected(self.host, self.options) as connection:
            machine = read(self.host, self.folder, connection.ask(PROBE, self.folder))
            with leased(connection, machine.folder, self.wait_s):
                yield SshLink(connection, machine, self.python, self.pin_cpus, self.cool_c)


class SshLink(Shell):
    """A machine over one connection."""

    transport: Transport | None = "ssh"

    def __init__(
        self,
        connection: Connection,
        machine: Machine,
        python: str,
        pin_cpus: Sequence[int] = (),
        cool_c: float | None = None,
    ) -> None:
        super().__init__(machine.folder, pin_cpus, cool_c)
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
        if self._has(runtime.package):
            return None
        return f"{self.python} on {self._connection.host} has not both numpy and {runtime.package}"

    def agents(self, runtime: RuntimeInfo) -> tuple[Agent, ...]:
        """Those that bring all they need, then those that need a Python with the runtime."""
        travelling = (agent for agent in super().agents(runtime) if agent.travels)
        return tuple(sorted(travelling, key=lambda agent: not agent.brings_runtime))

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

"""A board or a server as a device, by ssh: agents are brought there and run in a folder of ours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pydantic import Field

from edgeship.toolchain.api import Transport
from edgeship.toolchain.devices.remote.lease import leased
from edgeship.toolchain.devices.remote.link import RemoteLink
from edgeship.toolchain.devices.remote.machine import PROBE, read
from edgeship.toolchain.devices.ssh.connection import connected
from edgeship.toolchain.devices.timed import Timed


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
                yield SshLink(connection, machine, self, self.python)


class SshLink(RemoteLink):
    """A machine over one ssh connection."""

    transport: Transport | None = "ssh"

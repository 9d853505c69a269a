"""An Android phone as a device, by adb: the native agent runs in its shell, no app, no NDK and no root.

Unproven on a phone. Proven against a stand-in of adbd with the real client (tests/adbd.py).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pydantic import Field

from edgeship.toolchain.api import Transport
from edgeship.toolchain.devices.adb import state
from edgeship.toolchain.devices.adb.connection import connection_to
from edgeship.toolchain.devices.remote.lease import leased
from edgeship.toolchain.devices.remote.link import RemoteLink
from edgeship.toolchain.devices.remote.machine import PROBE, read
from edgeship.toolchain.devices.timed import Timed
from edgeship.toolchain.protocol.machine import Environment


class Adb(Timed):
    """Executes artifacts in the shell of an Android phone (7 and later) that debugging is allowed on."""

    serial: str = Field("", pattern="^[^-]|^$", description="as `adb devices` lists it; empty: the only one there")
    folder: str = Field(
        "/data/local/tmp/edgeship",
        description="ours there; files are found again by digest, so that none is sent twice",
    )
    wait_s: float = Field(0, ge=0, description="how long to wait for another run that uses the phone")

    @contextlib.contextmanager
    def open(self) -> Iterator[AdbLink]:
        """MissingError without adb; DeviceError where the phone is not reached or is another run's."""
        connection = connection_to(self.serial)
        machine = read(connection.host, self.folder, connection.ask(PROBE, self.folder))
        with leased(connection, machine.folder, self.wait_s):
            yield AdbLink(connection, machine, self)


class AdbLink(RemoteLink):
    """A phone; its agents are the ones that bring all they need, with kernels built for Linux's C library."""

    transport: Transport | None = "adb"

    def _state(self, t_ns: int = 0) -> Environment | None:
        return state.read(self._connection.ask(state.PROBE), t_ns)

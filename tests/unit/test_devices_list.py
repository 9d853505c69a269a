"""What `edgeship devices` says: facts of what is reached, and a remedy for the rest."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict

from edgeship.toolchain.api import Device, DeviceError, Link
from edgeship.toolchain.commands.devices import known, look
from edgeship.toolchain.devices.local import Local
from edgeship.toolchain.report.terminal.lists import devices_view


class Unplugged(Device):
    """A device that is not there."""

    @contextlib.contextmanager
    def open(self) -> Iterator[Link]:
        """DeviceError."""
        raise DeviceError("the board does not answer", "plug it in")
        yield


def test_one_that_is_not_reached_hides_no_other() -> None:
    gone, here = look({"board": Unplugged(), "host": Local()})
    assert (gone.facts, gone.reason, gone.remedy) == (None, "not reached: the board does not answer", "plug it in")
    assert (here.kind, here.reason) == ("local", "")
    assert here.facts is not None
    table, *remedies = devices_view([asdict(gone), asdict(here)])
    assert "board: plug it in" in [str(line) for line in remedies]
    assert "the board does not answer" in str(table)


def test_kinds_that_need_options_say_which() -> None:
    said = {one.name: one for one in known()}
    assert said["local"].facts is not None
    assert said["ssh"].reason == "needs host"
    assert said["ssh"].remedy.startswith('device = "ssh", host = "…" (as ssh takes it')

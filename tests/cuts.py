"""What a device does to its disk, cut short after each change: `python cuts.py JOB.json`, one JSON line for each cut.

A job: `store` (as it is before), `root`, `now`, one of `url` and `bundle` (what is installed), `step` (every so many
changes; 1: after each) and `power` (what was not yet synced is lost, too; else SIGKILL alone). A process of its own for
each cut does as a board does: it installs and starts. Then the answer says which version a device uses after it starts
again, which one when the same update was asked for again, and how many bytes were received for that.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from edgeship.apps.board import delta, trust, updates
from edgeship.apps.board.download import Server, new_client
from edgeship.apps.board.slots import Slots
from edgeship.apps.board.verify import Device, verify

ENDED = 7
MOST = 5000
"""Changes that no update makes."""


@dataclass
class Cut:
    """Ends this process by SIGKILL after so many changes."""

    left: int
    power: bool
    unsynced: dict[int, int] = field(default_factory=dict)
    """Of files, by handles of their own, how many bytes are surely on the disk."""

    def changed(self) -> None:
        """One more."""
        self.left -= 1
        if self.left == 0:
            for handle, synced in self.unsynced.items() if self.power else ():
                os.ftruncate(handle, min(synced, os.fstat(handle).st_size))
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call, and that it changed something."""

        def wrapped(*arguments: Any, **options: Any) -> Any:
            done = call(*arguments, **options)
            self.changed()
            return done

        return wrapped

    def synced(self, handle: int) -> None:
        """What fsync does, and what is then sure."""
        fsync(handle)
        about = os.fstat(handle)
        for one in self.unsynced:
            if os.path.samestat(os.fstat(one), about):
                self.unsynced[one] = about.st_size
        self.changed()

    def opened(self, file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        """A file; what is written to it goes to the disk in halves, each a change."""
        if "b" not in mode or not set(mode) & set("wxa+"):
            return opened(file, mode, *arguments, **options)
        found = Halves(file, mode.replace("b", ""))
        found.cut = self
        self.unsynced[os.open(file, os.O_WRONLY)] = os.fstat(found.fileno()).st_size
        self.changed()
        return found


class Halves(io.FileIO):
    """A file whose writes can be torn."""

    cut: Cut

    def write(self, data: Any) -> int:
        whole = memoryview(data).cast("B")
        for half in (whole[: len(whole) // 2], whole[len(whole) // 2 :]):
            super().write(half)
            self.cut.changed()
        return len(whole)


fsync, opened = os.fsync, io.open


def cut_short(cut: Cut, act: Callable[[], object]) -> bool:
    """Act in a process of its own; whether it came to its end."""
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            for name in ("link", "mkdir", "replace", "rename", "unlink", "rmdir", "truncate"):
                setattr(os, name, cut.counted(getattr(os, name)))
            os.fsync = cut.synced
            io.open = builtins.open = cut.opened  # type: ignore[assignment]
            act()
            os._exit(ENDED)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return False
    if os.WEXITSTATUS(status) != ENDED:
        raise SystemExit("the update failed by itself")
    return True


def main() -> None:
    """Cut after every `step` changes until one update comes to its end."""
    job = json.loads(Path(sys.argv[1]).read_text())
    root, device = trust.anchor(Path(job["root"]).read_bytes()), Device(job["now"], compatible="digits")

    ours, theirs = new_client(), new_client()  # a connection is one process's

    def install(client: httpx.Client, again: bool) -> int:
        if "bundle" in job:
            slots.install(Path(job["bundle"]), root, device)
            return 0
        server = Server(client, job["url"], None, lambda said: None, pause_s=0)
        updates.update(server, slots, root, device, delta.library(), again)
        return server.received

    def act() -> None:
        install(theirs, again=False)
        slots.start()

    def used() -> int | None:
        """The version that a device uses after a restart, which must verify."""
        place = slots.start()
        return verify(place, root, device).manifest["version"] if place else None

    with tempfile.TemporaryDirectory(dir=Path(job["store"]).parent) as folder:
        for number in range(1, MOST, job["step"]):
            slots = Slots(Path(folder, "store"))
            shutil.copytree(job["store"], slots.folder)
            if cut_short(Cut(number, job["power"]), act):
                return
            said = {"change": number, "used": used()}
            slots.found_good()
            said["received"] = install(ours, again=True)
            print(json.dumps(said | {"then": used()}), flush=True)
            shutil.rmtree(slots.folder)


if __name__ == "__main__":
    main()

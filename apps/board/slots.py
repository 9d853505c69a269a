"""Two slots for bundles: a new one is put beside the one in use, tried once, and given up where it does not answer.

state.json is the one truth, replaced whole: whatever moment the power goes, `start` finds a slot that worked, or one
that was never tried. What was begun and not ended is a slot that state.json does not name; the next install clears it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from . import trust
from .tree import Tree, tree
from .verify import BLOCK, Device, Verified, sha256, verify

SLOTS = ("a", "b")
STATE, ROOT = "state.json", "root.json"
Stage = Literal["new", "trying", "good"]


class BusyError(Exception):
    """What is installed is being tried, and nobody said yet whether it is good."""


@dataclass(frozen=True)
class State:
    """Which slot is used, how far it is trusted, and what was used before it."""

    current: str
    version: int
    stage: Stage = "new"
    before: tuple[str, int] | None = None
    """The slot that worked before, and its version."""


@dataclass(frozen=True)
class Slots:
    """A folder of a device's that holds its two slots; nobody else writes there."""

    folder: Path

    @property
    def state(self) -> State | None:
        """What is installed; None where nothing is yet."""
        try:
            about: Mapping[str, Any] = json.loads((self.folder / STATE).read_text())
        except FileNotFoundError:
            return None
        before = about["before"]
        return State(about["current"], about["version"], about["stage"], (before[0], before[1]) if before else None)

    def install(self, bundle: Path, root: trust.Root, device: Device) -> Verified:
        """Put a bundle beside the one that works; Refused where it may not be used, and what works stays as it is.

        `root` is the one that the device ships with; the newest that a bundle brought is kept and asked from then on.
        BusyError while the bundle that is installed is being tried. Files that the other slot has are linked.
        """
        state = self.state
        if state and state.stage == "trying":
            raise BusyError("the bundle that is installed is being tried: say whether it is good, or start again")
        root = self._newer(root)
        known = replace(device, installed=state.version) if state else device
        verify(bundle, root, known)
        if state and state.stage == "new":  # it was never loaded: it makes way
            state = self._back(state)
        slot = next(name for name in SLOTS if state is None or name != state.current)
        self._copy(tree(bundle), slot)
        found = verify(self.folder / slot, root, known)
        self._replace(ROOT, found.root.data)
        self._write(State(slot, found.manifest["version"], "new", (state.current, state.version) if state else None))
        return found

    def start(self) -> Path | None:
        """The bundle to load now; one that was tried and never found good is given up for the one before it.

        The mark is on disk before this answers: a process that dies while it loads has used up the only try.
        """
        state = self.state
        if state and state.stage == "trying":
            state = self._back(state)
        if state and state.stage == "new":
            self._write(replace(state, stage="trying"))
        return self.folder / state.current if state else None

    def found_good(self) -> bool:
        """What `start` gave answers as it should: it is the one to go back to. False where nothing is being tried."""
        state = self.state
        if state is None or state.stage != "trying":
            return False
        self._write(replace(state, stage="good"))
        return True

    def _newer(self, root: trust.Root) -> trust.Root:
        """The root that an earlier bundle brought, where it is the newer one."""
        try:
            kept = trust.anchor((self.folder / ROOT).read_bytes())
        except FileNotFoundError:
            return root
        return max(root, kept, key=lambda one: one.version)

    def _back(self, state: State) -> State | None:
        """To the bundle that worked before; None where there was none."""
        if state.before is None:
            (self.folder / STATE).unlink()
            _sync(self.folder)
            return None
        slot, version = state.before
        back = State(slot, version, "good")
        self._write(back)
        return back

    def _copy(self, files: Tree, slot: str) -> None:
        place, other = self.folder / slot, self.folder / next(name for name in SLOTS if name != slot)
        self.folder.mkdir(parents=True, exist_ok=True)
        if place.exists():
            shutil.rmtree(place)
        there = tree(other) if other.is_dir() else Tree({}, files.open)
        for name in files.sizes:
            file = place / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if name.startswith("files/") and name in there.sizes and sha256(there, name) == name.removeprefix("files/"):
                os.link(other / name, file)
                continue
            with files.open(name) as source, file.open("wb") as target:
                while block := source.read(BLOCK):
                    target.write(block)
                target.flush()
                os.fsync(target.fileno())
        for folder in {place, *(path for path in place.rglob("*") if path.is_dir())}:
            _sync(folder)
        _sync(self.folder)

    def _write(self, state: State) -> None:
        self._replace(STATE, json.dumps(asdict(state)).encode())

    def _replace(self, name: str, data: bytes) -> None:
        partial = self.folder / f"{name}.partial"
        with partial.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(self.folder / name)
        _sync(self.folder)


def _sync(folder: Path) -> None:
    """Names of files are on disk only when their folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

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
from .verify import Device, Verified, verify

SLOTS = ("a", "b")
STATE = "state.json"
BLOCK = 1 << 20
Stage = Literal["new", "trying", "good"]


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
        """Put a bundle into the slot that is not in use; Refused where it may not be used, and nothing changed.

        Files that the other slot has already are linked, not written again.
        """
        state = self._settled()
        known = replace(device, installed=state.version) if state else device
        found = verify(bundle, root, known)
        slot = next(name for name in SLOTS if state is None or name != state.current)
        self._copy(tree(bundle), slot)
        verified = verify(self.folder / slot, root, known)
        before = (state.current, state.version) if state else None
        self._write(State(slot, found.manifest["version"], "new", before))
        return verified

    def start(self) -> Path | None:
        """The bundle to load now; one that was tried and never found good is given up for the one before it.

        The mark is on disk before this answers: a process that dies while it loads has used up the only try.
        """
        state = self._settled()
        if state is None:
            return None
        if state.stage == "new":
            self._write(replace(state, stage="trying"))
        return self.folder / state.current

    def found_good(self) -> None:
        """What `start` gave answers as it should: from now on it is the one to go back to."""
        if state := self.state:
            self._write(replace(state, stage="good"))

    def _settled(self) -> State | None:
        """The state, a try that did not end well taken back; None where nothing works."""
        state = self.state
        if state is None or state.stage != "trying":
            return state
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
        shutil.rmtree(place, ignore_errors=True)
        for name, size in files.sizes.items():
            file = place / name
            file.parent.mkdir(parents=True, exist_ok=True)
            same = other / name
            if name.startswith("files/") and same.is_file() and same.stat().st_size == size:
                os.link(same, file)
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
        partial = self.folder / f"{STATE}.partial"
        with partial.open("w") as stream:
            json.dump(asdict(state), stream)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(self.folder / STATE)
        _sync(self.folder)


def _sync(folder: Path) -> None:
    """Names of files are on disk only when their folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

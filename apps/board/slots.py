"""Two slots for bundles: a new one is put beside the one in use, tried once, and given up where it does not answer.

state.json is the one truth, replaced whole: whatever moment the power goes, `start` finds a slot that worked, or one
that was never tried. What was begun and not ended is a slot that state.json does not name; the next update goes on
with what is right in it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from . import disk, trust
from . import state as states
from .refusal import Refused
from .state import State
from .verify import BLOCK, Device, Verified, digests, verify

SLOTS = ("a", "b")
ROOT, PARTS, TRYING = "root.json", "parts", "trying"


@dataclass(frozen=True)
class Slots:
    """A folder of a device's that holds its two slots; nobody else writes there."""

    folder: Path

    @property
    def state(self) -> State | None:
        """What is installed; None where nothing is yet."""
        return states.read(self.folder)

    @property
    def place(self) -> Path | None:
        """The slot that `start` gave, or will."""
        return _slot(self.folder, self.state)

    def install(self, bundle: Path, root: trust.Root, device: Device) -> Verified:
        """Put a bundle beside the one that works; Refused where it may not be used, and what works stays as it is.

        `root` is the one that the device ships with; the newest that a bundle brought is kept and asked from then on.
        BusyError while the bundle that is installed is being tried. Files that a slot has are not written again.
        """
        with self.alone():
            root, device = self.known(root, device)
            found = verify(bundle, root, device)
            files = found.files
            slot = self.begin(held := self.holding(digests(found.manifest)))
            for digest in digests(found.manifest).keys() - held.keys():
                with files.open(f"files/{digest}") as source, (slot / "files" / digest).open("wb") as target:
                    while block := source.read(BLOCK):
                        target.write(block)
                    target.flush()
                    os.fsync(target.fileno())
            small = [name for name in files.sizes if not name.startswith("files/")]
            return self.finish(slot, {name: files.read(name) for name in small}, root, device)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While something is installed nobody else may; BusyError where somebody does, or a bundle is being tried."""
        with states.installing(self.folder):
            if state := self.state:
                state.check_not_tried()
            yield

    def known(self, root: trust.Root, device: Device) -> tuple[trust.Root, Device]:
        """The newest root that this device has seen, and the device with what is installed on it."""
        kept = self._kept() or root
        state = self.state
        known = replace(device, installed=state.version) if state else device
        return max(root, kept, key=lambda one: one.version), known

    def keep(self, root: trust.Root) -> None:
        """A root that was seen counts from then on, whatever comes of the bundle that brought it."""
        kept = self._kept()
        if kept is None or kept.version < root.version:
            disk.replace(self.folder / ROOT, root.data)

    def installed(self, name: str) -> bytes | None:
        """A small file of the bundle that works; None where there is none."""
        return _read(self._working, name)

    def newest(self, name: str) -> bytes | None:
        """The same of the bundle that was installed last, loaded or not."""
        return _read(self.place, name)

    def base(self, digest: str) -> Path | None:
        """Where the bundle that works has a file, which may have rotted; None where it has not."""
        file = self._working and self._working / "files" / digest
        return file if file and file.is_file() else None

    def holding(self, wanted: Mapping[str, int]) -> dict[str, Path]:
        """Which of these files, by digest and size, either slot has, whole."""
        found = {}
        for digest, size in wanted.items():
            places = [self.folder / slot / "files" / digest for slot in SLOTS]
            if whole := [file for file in places if _is(file, digest, size)]:
                found[digest] = whole[0]
        return found

    def begin(self, held: Mapping[str, Path]) -> Path:
        """The slot that is not in use, with these files, by digest, and no others. BusyError.

        A bundle that was installed and never loaded makes way. The slot is named by state.json when it is finished.
        """
        with states.changing(self.folder):
            if state := self.state:
                state.check_not_tried()
                if state.stage == "new":
                    states.back(self.folder, state, state.given_up)
        slot = self.folder / next(name for name in SLOTS if state is None or name != state.working)
        files = slot / "files"
        files.mkdir(parents=True, exist_ok=True)
        for path in (*slot.iterdir(), *files.iterdir()):
            if path != files and path not in held.values():
                _remove(path)
        for digest, file in held.items():
            if file.parent != files:
                disk.link(file, files / digest)
        return slot

    def finish(self, slot: Path, small: Mapping[str, bytes], root: trust.Root, device: Device) -> Verified:
        """Add what is not named by its digest, and let this slot be loaded next; Refused where it may not be used."""
        for name, data in small.items():
            (slot / name).parent.mkdir(exist_ok=True)
            disk.write(slot / name, data)
        for folder in (*(path for path in slot.iterdir() if path.is_dir()), slot, self.folder):
            disk.sync(folder)
        found = verify(slot, root, device)
        with states.changing(self.folder):
            state = self.state
            self.keep(found.root)
            before = (state.current, state.version) if state and state.current else None
            given_up = state.given_up if state else None
            states.write(self.folder, State(slot.name, found.manifest["version"], "new", before, given_up))
        shutil.rmtree(self.folder / PARTS, ignore_errors=True)
        return found

    def start(self) -> Path | None:
        """The bundle to load now; one that was tried and never found good is given up for the one before it.

        The mark is on disk before this answers: a process that dies while it loads has used up the only try.
        Where the disk is full the bundle before is given, and the try that is open counts no more.
        """
        if self.place is None:
            return None
        trying = self.folder / TRYING
        with states.changing(self.folder):
            state = self.state
            try:
                if state and state.stage == "trying":
                    state = states.back(self.folder, state, state.version)
                if state and state.stage == "new":
                    trying.touch()
                    states.write(self.folder, replace(state, stage="trying"))
            except OSError:  # the disk is full: without a mark nothing is tried
                if state is None or state.before is None:
                    raise
                trying.unlink(missing_ok=True)  # which needs no room
                return self.folder / state.before[0]
            return _slot(self.folder, state)

    def found_good(self) -> bool:
        """What `start` gave answers as it should: it is the one to go back to. False where nothing is being tried."""
        if self.place is None:
            return False
        with states.changing(self.folder):
            state = self.state
            if state is None or state.stage != "trying" or not (self.folder / TRYING).exists():
                return False
            states.write(self.folder, replace(state, stage="good", given_up=None))
            (self.folder / TRYING).unlink()
            return True

    def untried(self) -> None:
        """What `start` gave was not loaded after all: its try is not used up."""
        with states.changing(self.folder):
            state = self.state
            if state and state.stage == "trying":
                states.write(self.folder, replace(state, stage="new"))

    def _kept(self) -> trust.Root | None:
        """The newest root that was seen; None where there is none, or it has rotted: the device's own counts then."""
        try:
            return trust.anchor((self.folder / ROOT).read_bytes())
        except (OSError, Refused):
            return None

    @property
    def _working(self) -> Path | None:
        state = self.state
        return self.folder / state.working if state and state.working else None


def _slot(folder: Path, state: State | None) -> Path | None:
    return folder / state.current if state and state.current else None


def _read(place: Path | None, name: str) -> bytes | None:
    try:
        return (place / name).read_bytes() if place else None
    except OSError:
        return None


def _is(file: Path, digest: str, size: int) -> bool:
    """Whether a file is there and has not rotted."""
    try:
        if file.stat().st_size != size:
            return False
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == digest
    except OSError:
        return False


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()

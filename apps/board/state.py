"""state.json: which slot is used and how far it is trusted, replaced whole, by one process at a time."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from . import disk
from .failure import BusyError, FailedError

STATE = "state.json"
Stage = Literal["new", "trying", "good"]


@dataclass(frozen=True)
class State:
    """Which slot is used, how far it is trusted, and what was used before it."""

    current: str | None
    """None where the first bundle was given up, and nothing is left."""
    version: int
    stage: Stage = "new"
    before: tuple[str, int] | None = None
    """The slot that worked before, and its version."""
    given_up: int | None = None
    """The version that was tried last and never found good."""

    @property
    def working(self) -> str | None:
        """The slot that an update leaves as it is: the one in use, or, where that was never loaded, the one before."""
        if self.stage == "new":
            return self.before[0] if self.before else None
        return self.current

    def check_not_tried(self) -> None:
        """BusyError while nobody knows whether it is good."""
        if self.stage == "trying":
            raise BusyError("the bundle that is installed is being tried: say whether it is good, or start again")


def read(folder: Path) -> State | None:
    """None where nothing is installed."""
    try:
        about: Mapping[str, Any] = json.loads((folder / STATE).read_text())
        before = about["before"]
        return State(**{**about, "before": (before[0], before[1]) if before else None})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, IndexError) as error:
        said = f"{folder / STATE}: cannot be read: remove the folder, and install again"
        raise FailedError("state", said) from error


def write(folder: Path, state: State) -> None:
    """On the disk when this returns."""
    disk.replace(folder / STATE, json.dumps(asdict(state)).encode())


def back(folder: Path, state: State, given_up: int | None) -> State:
    """To the bundle that worked before; to nothing where there was none."""
    slot, version = state.before or (None, 0)
    found = State(slot, version, "good", given_up=given_up)
    write(folder, found)
    return found


@contextmanager
def changing(folder: Path) -> Iterator[None]:
    """Reads and writes of one process; another waits, never for long."""
    with _locked(folder / "state.lock", fcntl.LOCK_EX):
        yield


@contextmanager
def installing(folder: Path) -> Iterator[None]:
    """BusyError where another process installs."""
    with _locked(folder / "install.lock", fcntl.LOCK_EX | fcntl.LOCK_NB):
        yield


@contextmanager
def _locked(file: Path, how: int) -> Iterator[None]:
    """Until this ends, or the process does."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as lock:
        try:
            fcntl.flock(lock, how)
        except BlockingIOError as error:
            raise BusyError("something is being installed already") from error
        yield

"""Finished work by key: atomic, locked, checked on reading, limited in size."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from filelock import FileLock
from pydantic import BaseModel, ConfigDict

from edgeship.toolchain.artifact import digest
from edgeship.toolchain.cache import cache_limit_bytes, cache_root
from edgeship.toolchain.errors import LineError
from edgeship.toolchain.room import out_of_room

ENTRY = "entry.json"


def key_of(parts: Any) -> str:
    """SHA-256 of a JSON value in canonical form."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str).encode()).hexdigest()


class Record(BaseModel):
    """What is known of a finished piece of work besides its files; each kind of work has a record of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str]


R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Stored:
    """Something the store holds: its files in `folder`, their content in one digest."""

    key: str
    folder: Path
    kind: str
    content: str
    size_bytes: int
    files: dict[str, str]


@dataclass(frozen=True)
class Entry(Stored, Generic[R]):
    """A finished piece of work with its record."""

    record: R


def _read(folder: Path) -> tuple[Stored, Any]:
    """entry.json and the record in it, without a look at the files."""
    raw = json.loads((folder / ENTRY).read_text())
    return Stored(raw["key"], folder, raw["kind"], raw["content"], raw["size_bytes"], raw["files"]), raw["record"]


def _entry(folder: Path, kind: type[R]) -> Entry[R]:
    """ValueError where the entry is of another kind."""
    stored, record = _read(folder)
    if stored.kind != kind.kind:
        raise ValueError(f"{folder} holds a {stored.kind}, not a {kind.kind}")
    return Entry(**vars(stored), record=kind.model_validate(record))


class Store:
    """Entries under `root`; any number of processes may use one root at once."""

    def __init__(self, root: Path | None = None, limit_bytes: int | None = None) -> None:
        self.root = root or cache_root()
        self.limit_bytes = cache_limit_bytes() if limit_bytes is None else limit_bytes
        try:
            for name in ("entries", "partial", "scratch", "locks", "facts"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
        except OSError:
            if not self.root.is_dir():
                raise
        self.read_only = not os.access(self.root, os.W_OK)
        """Whether it can only serve what it holds: a file system mounted read-only, somebody else's folder."""

    def _folder(self, key: str) -> Path:
        return self.root / "entries" / key[:2] / key

    def get(self, key: str, kind: type[R]) -> Entry[R] | None:
        """The entry, or None; a damaged one is removed, so that it is built again."""
        folder = self._folder(key)
        try:
            entry = _entry(folder, kind)
            sound = all((folder / name).exists() and digest(folder / name) == sha for name, sha in entry.files.items())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError):
            sound = False
        if not sound:
            shutil.rmtree(folder, ignore_errors=True)
            return None
        with contextlib.suppress(OSError):
            os.utime(folder / ENTRY)  # the least recently used entry goes first
        return entry

    def check_writable(self) -> None:
        """LineError with the remedy where nothing can be added."""
        if self.read_only:
            raise LineError(
                f"the cache {self.root} is read-only and does not hold this yet",
                "let EDGESHIP_CACHE name a folder that can be written",
            )

    def once(self, key: str, kind: type[R], make: Callable[[Path], R]) -> Entry[R]:
        """The entry of `key`; where there is none, `make` fills an empty folder and answers the record.

        Of several processes one makes it and the others wait. LineError when the disk is full or read-only.
        """
        with self.lock(key):
            if entry := self.get(key, kind):
                return entry
            with self._building(key) as folder:
                return self._commit(key, folder, make(folder))

    def recall(self, key: str, kind: type[R], find: Callable[[], R]) -> R:
        """A record without files: the one that is known, else what `find` answers, kept where this can be written."""
        if entry := self.get(key, kind):
            return entry.record
        found = find()
        return found if self.read_only else self.once(key, kind, lambda folder: found).record

    @contextlib.contextmanager
    def _building(self, key: str) -> Iterator[Path]:
        """An empty folder to build in; it vanishes on leaving unless `_commit` took it."""
        self.check_writable()
        folder = self.root / "partial" / f"{key[:12]}-{uuid.uuid4().hex[:12]}"
        with FileLock(f"{folder}.lock"):  # held before the folder exists, so that tidying never takes a living one
            try:
                folder.mkdir()
                yield folder
            except Exception as error:  # asked while the half-written files are still there
                if full := out_of_room(error, self.root):
                    raise full from error
                raise
            finally:
                shutil.rmtree(folder, ignore_errors=True)
                Path(f"{folder}.lock").unlink(missing_ok=True)

    def _commit(self, key: str, folder: Path, record: R) -> Entry[R]:
        """Make a built folder the entry of `key`, by one rename; an entry that another process made first stays."""
        files = {path.name: digest(path) for path in sorted(folder.iterdir()) if path.name != ENTRY}
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        entry = {
            "key": key,
            "kind": record.kind,
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "files": files,
            "content": key_of(files),
            "size_bytes": size,
            "record": record.model_dump(mode="json", by_alias=True),
        }
        (folder / ENTRY).write_text(json.dumps(entry, indent=1) + "\n")
        final = self._folder(key)
        final.parent.mkdir(parents=True, exist_ok=True)
        if final.exists() and self.get(key, type(record)) is None:
            shutil.rmtree(final, ignore_errors=True)
        with contextlib.suppress(FileExistsError, OSError):
            folder.rename(final)
        if not (final / ENTRY).exists():
            raise OSError(f"{final}: could not be written")
        shutil.rmtree(self.root / "scratch" / key, ignore_errors=True)  # the work is finished
        return _entry(final, type(record))

    @contextlib.contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """One builder per key across processes: who waits finds the entry finished."""
        if self.read_only:  # nobody builds
            yield
            return
        with FileLock(self.root / "locks" / f"{key}.lock"):
            yield

    def scratch(self, key: str) -> Path:
        """A folder of unfinished work under this key that survives a kill: checkpoints of training."""
        folder = self.root / "scratch" / key
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def note(self, key: str, fact: Any) -> None:
        """Remember a small JSON fact, atomically, where it can be: file digests, the code files of a model."""
        if self.read_only:
            return
        path = self.root / "facts" / f"{key}.json"
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, suffix=".tmp") as stream:
            json.dump(fact, stream)
        Path(stream.name).replace(path)

    def fact(self, key: str) -> Any | None:
        """What `note` remembered, or None."""
        try:
            return json.loads((self.root / "facts" / f"{key}.json").read_text())
        except (OSError, ValueError):
            return None

    def file_digest(self, path: Path) -> str:
        """SHA-256 of a file or folder; remembered by path, size and modification time."""
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
        state = [(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in files]
        key = key_of(["file", state])
        known = self.fact(key)
        if not isinstance(known, str):
            known = digest(path)
            self.note(key, known)
        return known

    def entries(self) -> list[Stored]:
        """All entries, least recently used first; unreadable ones are left out."""
        dated: list[tuple[float, Stored]] = []
        for path in (self.root / "entries").glob(f"*/*/{ENTRY}"):
            with contextlib.suppress(OSError, ValueError, KeyError):
                dated.append((path.stat().st_mtime, _read(path.parent)[0]))
        return [entry for _, entry in sorted(dated, key=lambda pair: pair[0])]

    def remove(self, entry: Stored) -> None:
        """Delete one entry; entry.json goes first, so that a kill leaves nothing that looks finished."""
        (entry.folder / ENTRY).unlink(missing_ok=True)
        shutil.rmtree(entry.folder, ignore_errors=True)

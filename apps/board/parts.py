"""A file on its way: what of it is on the disk, and where to go on, also after a power cut."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from . import disk
from .delta import Decoder, DeltaError

SAVED_EVERY = 1 << 20
"""Bytes of a whole file; of a delta it is saved where a frame ends."""


@dataclass(frozen=True)
class Progress:
    """What is on the disk: so many bytes, which so many bytes of a server's file gave."""

    source: str
    """Its name there."""
    etag: str | None
    received: int
    written: int


def progress(place: Path, source: str) -> Progress:
    """How far a file from this source came; a file of another source is begun anew."""
    nothing = Progress(source, None, 0, 0)
    try:
        found = Progress(**json.loads(_notes(place).read_bytes()))
        return found if found.source == source and place.stat().st_size >= found.written else nothing
    except (OSError, ValueError, TypeError):
        return nothing


def remove(place: Path) -> None:
    """A file on its way that nobody waits for."""
    for file in (place, _notes(place)):
        file.unlink(missing_ok=True)


def _notes(place: Path) -> Path:
    return place.with_name(f"{place.name}.json")


class Part:
    """Takes a server's bytes, whole or as a delta, and writes the file that they make: to `place`, then under its name.

    DeltaError where a delta makes more than `size` bytes, or is none.
    """

    def __init__(self, place: Path, source: str, size: int, decoder: Decoder | None = None) -> None:
        self._place, self._source, self._size, self._decoder = place, source, size, decoder
        found = progress(place, source)
        self.etag, self.received, self._written, self._saved = found.etag, found.received, found.written, found.written
        self._stream: Any = place.open("r+b" if place.exists() else "w+b")
        self._stream.truncate(self._written)
        self._digest = hashlib.file_digest(self._stream, "sha256")

    def __enter__(self) -> Part:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._decoder is None and self._written > self._saved:
            with suppress(OSError):  # a disk that is full may be why this ends
                self._save()
        self._stream.close()

    def take(self, data: bytes) -> None:
        """The next bytes of the source."""
        if self._decoder is None:
            self._write(data)
            self.received += len(data)
            if self._written - self._saved >= SAVED_EVERY:
                self._save()
            return
        for piece in self._decoder.pieces(data):
            self._write(piece.data)
            self.received += piece.taken
            if piece.ends:
                self._save()

    def restart(self) -> None:
        """From the first byte."""
        self._stream.seek(0)
        self._stream.truncate()
        self.etag, self.received, self._written, self._saved = None, 0, 0, 0
        self._digest = hashlib.sha256()
        if self._decoder:
            self._decoder.restart()

    def move_to(self, file: Path) -> bool:
        """Give it its name, which is its digest; False where it has another one."""
        if self._written != self._size or self._digest.hexdigest() != file.name:
            return False
        self._sync()
        self._saved = self._written
        self._place.replace(file)
        disk.sync(file.parent)
        _notes(self._place).unlink(missing_ok=True)
        return True

    def _write(self, data: bytes) -> None:
        if self._written + len(data) > self._size:
            raise DeltaError(f"more than {self._size} bytes")
        self._stream.write(data)
        self._digest.update(data)
        self._written += len(data)

    def _save(self) -> None:
        """The bytes first, then what is said of them."""
        self._sync()
        self._saved = self._written
        said = Progress(self._source, self.etag, self.received, self._written)
        disk.replace(_notes(self._place), json.dumps(asdict(said)).encode())

    def _sync(self) -> None:
        self._stream.flush()
        os.fsync(self._stream.fileno())

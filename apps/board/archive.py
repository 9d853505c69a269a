"""A bundle in a zip file, read by its directory (PKWARE's APPNOTE 4.3): entries one after another, nothing between.

`zipfile` takes much that other readers do not: gaps, what stands before and behind, headers that contradict the
directory.
Here a file that is read at all is read alike in every language.
"""

from __future__ import annotations

import io
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .names import is_plain
from .refusal import Refused

_END = struct.Struct("<IHHHHIIH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_LOCAL = struct.Struct("<IHHHHHIIIHH")
_END_SIGNATURE, _CENTRAL_SIGNATURE, _LOCAL_SIGNATURE = 0x06054B50, 0x02014B50, 0x04034B50
_UTF8_NAME, _ENCRYPTED = 0x800, 1
MOST_DIRECTORY_BYTES = 16 << 20


class BrokenArchiveError(ValueError):
    """It is no zip file as bundles are written."""


@dataclass(frozen=True)
class Entry:
    """Where an entry's bytes are."""

    offset: int
    size: int


def entries(file: Path) -> dict[str, Entry]:
    """By name; Refused: path-outside, link, duplicate-entry, compressed; BrokenArchiveError, OSError."""
    length = file.stat().st_size
    with file.open("rb") as archive:
        end = _END.unpack(_bytes(archive, length - _END.size, _END.size))
        count, size, start = end[4], end[5], end[6]
        if end[0] != _END_SIGNATURE or start + size + _END.size != length or size > MOST_DIRECTORY_BYTES:
            raise BrokenArchiveError("no directory at its end")
        found = _directory(archive, _bytes(archive, start, size), start)
    if len(found) != count or end[1:4] != (0, 0, count) or end[7]:
        raise BrokenArchiveError("a directory of another length")
    return found


def open_entry(file: Path, entry: Entry) -> IO[bytes]:
    """An entry's bytes."""
    return io.BufferedReader(_Part(file.open("rb"), entry))


def _directory(archive: IO[bytes], directory: bytes, end: int) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    at, expected = 0, 0
    while at < len(directory):
        if at + _CENTRAL.size > len(directory):
            raise BrokenArchiveError("a directory that is cut short")
        about = _CENTRAL.unpack_from(directory, at)
        signature, _, _, flags, method, *_ = about
        packed, size, name_length, extra, comment = about[8:13]
        raw = directory[at + _CENTRAL.size : at + _CENTRAL.size + name_length]
        if signature != _CENTRAL_SIGNATURE or len(raw) < name_length or extra or comment:
            raise BrokenArchiveError("a directory that is not one")
        name = raw.decode()
        if not is_plain(name):
            raise Refused("path-outside", repr(name))
        if stat.S_IFMT(about[15] >> 16) not in (0, stat.S_IFREG):
            raise Refused("link", name)
        if name in found:
            raise Refused("duplicate-entry", name)
        if method or flags & _ENCRYPTED:
            raise Refused("compressed", name)
        local = _LOCAL.unpack(_bytes(archive, about[16], _LOCAL.size))
        same = local[0] == _LOCAL_SIGNATURE and local[2:] == (*about[3:11], 0)
        here = _bytes(archive, about[16] + _LOCAL.size, name_length) if same else b""
        if here != raw or flags & ~_UTF8_NAME or packed != size or about[16] != expected:
            raise BrokenArchiveError("an entry that is not what the directory says")
        expected += _LOCAL.size + name_length + size
        found[name] = Entry(expected - size, size)
        at += _CENTRAL.size + name_length
    if expected != end:
        raise BrokenArchiveError("bytes that no entry has")
    return found


def _bytes(archive: IO[bytes], offset: int, count: int) -> bytes:
    if offset < 0:
        raise BrokenArchiveError("too short")
    archive.seek(offset)
    found = archive.read(count)
    if len(found) < count:
        raise BrokenArchiveError("too short")
    return found


class _Part(io.RawIOBase):
    """One entry of an open zip file."""

    def __init__(self, archive: IO[bytes], entry: Entry) -> None:
        self._archive, self._left = archive, entry.size
        archive.seek(entry.offset)

    def readable(self) -> bool:
        return True

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]
        found = self._archive.read(min(len(target), self._left))
        target[: len(found)] = found
        self._left -= len(found)
        return len(found)

    def close(self) -> None:
        self._archive.close()
        super().close()

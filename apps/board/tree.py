"""A bundle's files, in a folder or a zip: only plain names, only plain files, before anything is read."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from . import archive
from .names import is_plain
from .refusal import Refused

MOST_ENTRIES = 10_000
MOST_BYTES = 8 << 30
MOST_BYTES_IN_MEMORY = 16 << 20
"""Of a manifest or a root."""
UNREADABLE = (OSError, archive.BrokenArchiveError, UnicodeError)


@dataclass(frozen=True)
class Tree:
    """Sizes by name, with / between folders, and a way to read."""

    sizes: Mapping[str, int]
    open: Callable[[str], IO[bytes]]

    def read(self, name: str) -> bytes:
        """A small file's bytes; Refused: file-missing, too-large, unreadable."""
        if name not in self.sizes:
            raise Refused("file-missing", name)
        if self.sizes[name] > MOST_BYTES_IN_MEMORY:
            raise Refused("too-large", name)
        try:
            with self.open(name) as stream:
                return stream.read(MOST_BYTES_IN_MEMORY)
        except UNREADABLE as error:
            raise Refused("unreadable", name) from error


def tree(bundle: Path) -> Tree:
    """The files of a bundle; Refused: unreadable, path-outside, link, duplicate-entry, compressed, too-large."""
    try:
        return _folder(bundle) if bundle.is_dir() else _zip(bundle)
    except UNREADABLE as error:
        raise Refused("unreadable", bundle.name) from error


def _folder(root: Path) -> Tree:
    sizes: dict[str, int] = {}
    for folder, folders, files in os.walk(root, onerror=_give_up):
        for name in (*folders, *files):
            path = Path(folder, name)
            about = path.lstat()
            inside = path.relative_to(root).as_posix()
            if not is_plain(inside):
                raise Refused("path-outside", repr(inside))
            if stat.S_ISREG(about.st_mode):
                sizes[inside] = about.st_size
            elif not stat.S_ISDIR(about.st_mode):
                raise Refused("link", inside)
        _check_room(sizes)
    return Tree(sizes, lambda name: (root / name).open("rb"))


def _give_up(error: OSError) -> None:
    """A folder that cannot be read may hold what nobody looked at."""
    raise error


def _zip(file: Path) -> Tree:
    entries = archive.entries(file)
    sizes = {name: entry.size for name, entry in entries.items()}
    _check_room(sizes)
    return Tree(sizes, lambda name: archive.open_entry(file, entries[name]))


def _check_room(sizes: Mapping[str, int]) -> None:
    if len(sizes) > MOST_ENTRIES or sum(sizes.values()) > MOST_BYTES:
        raise Refused("too-large", f"{len(sizes)} entries of {sum(sizes.values())} bytes")

"""A bundle's files, in a folder or a zip: only plain names, only plain files, before anything is read."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .refusal import Refused

MOST_ENTRIES = 10_000
MOST_BYTES = 8 << 30
MOST_BYTES_IN_MEMORY = 16 << 20
"""Of a manifest or a root."""
_ENCRYPTED = 1


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
        except (OSError, zipfile.BadZipFile) as error:
            raise Refused("unreadable", name) from error


def tree(bundle: Path) -> Tree:
    """The files of a bundle; Refused: unreadable, path-outside, link, duplicate-entry, compressed, too-large."""
    try:
        return _folder(bundle) if bundle.is_dir() else _zip(bundle)
    except (OSError, zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        raise Refused("unreadable", bundle.name) from error


def is_plain(path: str) -> bool:
    """Whether a relative path stays where it is put, on every system: no .., root, drive or control character."""
    return all(part not in ("", ".", "..") for part in path.split("/")) and not any(
        character in "\\:\x7f" or character < " " for character in path
    )


def _folder(root: Path) -> Tree:
    sizes: dict[str, int] = {}
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(folder, name)
            mode = path.lstat()
            inside = path.relative_to(root).as_posix()
            if not is_plain(inside):
                raise Refused("path-outside", repr(inside))
            if stat.S_ISREG(mode.st_mode):
                sizes[inside] = mode.st_size
            elif not stat.S_ISDIR(mode.st_mode):
                raise Refused("link", inside)
        _check_room(sizes)
    return Tree(sizes, lambda name: (root / name).open("rb"))


def _zip(file: Path) -> Tree:
    archive = zipfile.ZipFile(file)
    entries: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        name = entry.orig_filename  # filename is mended: cut at a zero byte, separators turned
        if not is_plain(name.removesuffix("/")):
            raise Refused("path-outside", repr(name))
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise Refused("link", name)
        if name in entries:
            raise Refused("duplicate-entry", name)
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & _ENCRYPTED:
            raise Refused("compressed", name)
        entries[name] = entry
    sizes = {name: entry.file_size for name, entry in entries.items()}
    _check_room(sizes)
    return Tree(sizes, lambda name: archive.open(entries[name]))


def _check_room(sizes: Mapping[str, int]) -> None:
    if len(sizes) > MOST_ENTRIES or sum(sizes.values()) > MOST_BYTES:
        raise Refused("too-large", f"{len(sizes)} entries of {sum(sizes.values())} bytes")

"""A bundle's files by digest, and how they are written: a folder, or a zip file whose bytes depend on nothing else."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from edgeship.toolchain.archive import LARGEST_BYTES, Source, write_zip
from edgeship.toolchain.artifact import digest, size_bytes
from edgeship.toolchain.bundle.manifest import NamedFile, Stored
from edgeship.toolchain.errors import RecipeError

SUFFIX = ".zip"


@dataclass
class Contents:
    """Files as they come, each kept once; `named` are their names, in the order in which they were added."""

    stored: dict[str, Source] = field(default_factory=dict)
    named: list[NamedFile] = field(default_factory=list)

    def add(self, path: str, source: Source) -> NamedFile:
        """Put a file in under the name it is used by."""
        sha256 = digest(source) if isinstance(source, Path) else hashlib.sha256(source).hexdigest()
        self.stored[sha256] = source
        self.named.append(NamedFile(path=path, sha256=sha256))
        return self.named[-1]

    @property
    def files(self) -> list[Stored]:
        """All of them, by digest."""
        return [Stored(sha256=sha256, size_bytes=_size(self.stored[sha256])) for sha256 in sorted(self.stored)]


def check_free(out: Path) -> None:
    """RecipeError where something is in the way: nothing is written over."""
    if out.exists() or out.is_symlink():
        raise RecipeError(f"{out}: is there already", "name another place, or remove it")
    if not out.parent.is_dir():
        raise RecipeError(f"{out.parent}: there is no such folder", "make it, or name another place")


def write(out: Path, entries: Mapping[str, Source], check: Callable[[Path], object] = lambda written: None) -> None:
    """Write entries by name, a .zip file or a folder, all or nothing; `check` looks at it before it has its name.

    RecipeError for files that are too large for a zip file.
    """
    with whole(out) as partial:
        if out.suffix == SUFFIX:
            _write_zip(partial, entries)
        else:
            _write_folder(partial, entries)
        check(partial)


@contextmanager
def whole(out: Path) -> Iterator[Path]:
    """Where to write a file or a folder that gets its name when this ends, and is gone where it fails.

    RecipeError where something is in the way.
    """
    check_free(out)
    partial = out.with_name(f".{out.name}.partial")
    _remove(partial)
    try:
        yield partial
        if partial.exists():
            partial.rename(out)
    finally:
        _remove(partial)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _write_folder(folder: Path, entries: Mapping[str, Source]) -> None:
    for name, source in entries.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(source, Path):
            shutil.copyfile(source, file)
        else:
            file.write_bytes(source)


def _write_zip(file: Path, entries: Mapping[str, Source]) -> None:
    if sum(map(_size, entries.values())) >= LARGEST_BYTES:
        raise RecipeError("more than 2 GB does not go into a zip file of the plain kind", "name a folder instead")
    write_zip(file, entries)


def _size(source: Source) -> int:
    return size_bytes(source) if isinstance(source, Path) else len(source)

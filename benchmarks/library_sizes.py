"""Measures the archives of targets/libraries.toml again: `python -m benchmarks.library_sizes [FOLDER]`.

Each is fetched by its own client (npm, pip, Maven) into FOLDER, 200 MB in all, and measured as the file says; exit
code 1 where a figure is another.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from edgeship.toolchain.measure.deflate import deflated
from edgeship.toolchain.report.downloads import Library, libraries

CPU = "aarch64"
PLATFORMS = [f"manylinux_{version}_{CPU}" for version in ("2_28", "2_27", "2_17")]


def fetched(archive: str, folder: Path) -> Path:
    """The archive `kind:name` in a folder, fetched unless it lies there."""
    kind, _, name = archive.partition(":")
    place = folder / "".join(letter if letter.isalnum() else "_" for letter in archive)
    place.mkdir(parents=True, exist_ok=True)
    commands: dict[str, Callable[[], list[str]]] = {
        "npm": lambda: ["npm", "pack", "--silent", name],
        "pypi": lambda: [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"),
            *("--python-version", "3.11", *(word for platform in PLATFORMS for word in ("--platform", platform)), name),
        ],
        "maven": lambda: [
            *("mvn", "--quiet", "dependency:copy", f"-Dartifact={name}", f"-DoutputDirectory={place}"),
        ],
    }
    if not list(place.iterdir()):
        subprocess.run(commands[kind](), cwd=place, check=True, stdout=subprocess.DEVNULL)
    (found,) = place.iterdir()
    return found


def measured(library: Library, archive: Path) -> tuple[int, int]:
    """Bytes of the members that count, stored and deflated; of a whole wheel the wheel's own size."""
    stored = compressed = 0
    if archive.suffix == ".tgz":
        with tarfile.open(archive) as tar:
            for name in library.files:
                stream = tar.extractfile(name)
                assert stream is not None
                stored, compressed = _with(stored, compressed, tar.getmember(name).size, stream)
        return stored, compressed
    with zipfile.ZipFile(archive) as packed:
        if not library.files:
            return sum(entry.file_size for entry in packed.infolist()), archive.stat().st_size
        for name in library.files:
            with packed.open(name) as stream:
                stored, compressed = _with(stored, compressed, packed.getinfo(name).file_size, stream)
    return stored, compressed


def _with(stored: int, compressed: int, size: int, stream: IO[bytes]) -> tuple[int, int]:
    return stored + size, compressed + deflated(stream)


def main(folder: Path) -> int:
    """Say of each library whether its figures are those of its archive."""
    other = 0
    for library in libraries():
        if library.archive:
            found = measured(library, fetched(library.archive, folder))
            same = found == (library.size_bytes, library.compressed_bytes)
            other += not same
            print(f"{library.runtime} {library.platform}: {found[0]} {found[1]}: {'as told' if same else 'ANOTHER'}")
    return min(other, 1)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(main(Path(sys.argv[1])))
    with tempfile.TemporaryDirectory() as given:
        sys.exit(main(Path(given)))

"""Reads every native library that an app would ship: aligned to pages of 16 KB, and there for both ABIs.

`python tests/android_libs.py ARCHIVE…` prints a table, and exits with 1 where an APK or an app bundle holds a library
that would not do: of other archives an app may leave some out. Google Play takes no update for Android 15 whose load
segments are aligned to less (developer.android.com/guide/practices/page-sizes).
"""

from __future__ import annotations

import struct
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ABIS = {"arm64-v8a": 183, "x86_64": 62}
"""What an app ships, and the machine that an ELF header names for it."""
SHIPPED = (".apk", ".aab")
PAGE_BYTES = 16 << 10
_HEADER = struct.Struct("<4sBBB9xHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_LOAD = 1


@dataclass(frozen=True)
class Library:
    """One .so of one ABI, and why an app should not ship it; empty where it may."""

    name: str
    abi: str
    size_bytes: int
    alignment_bytes: int
    faults: tuple[str, ...]


def read(name: str, abi: str, data: bytes) -> Library:
    """Look at one library's bytes."""
    if len(data) < _HEADER.size or data[:6] != b"\x7fELF\x02\x01":
        return Library(name, abi, len(data), 0, ("it is no 64-bit little-endian ELF file",))
    header = _HEADER.unpack_from(data)
    machine, segments_at, segment_size, count = header[5], header[8], header[12], header[13]
    segments = [_SEGMENT.unpack_from(data, segments_at + index * segment_size) for index in range(count)]
    loads = [segment for segment in segments if segment[0] == _LOAD]
    alignment = min((segment[7] for segment in loads), default=0)
    faults = []
    if machine != ABIS[abi]:
        faults.append(f"it is for machine {machine}, not for {abi}")
    if alignment % PAGE_BYTES or not loads:
        faults.append(f"a load segment is aligned to {alignment // 1024} KB")
    elif any((offset - address) % PAGE_BYTES for _, _, offset, address, *_ in loads):
        faults.append("a load segment's offset does not fit its address")
    return Library(name, abi, len(data), alignment, tuple(faults))


def libraries(archive: Path) -> list[Library]:
    """Of an AAR, an APK or a tarball, those of the ABIs that an app ships, and those that one of these lacks."""
    found = [read(path.name, path.parent.name, data) for path, data in _files(archive) if path.parent.name in ABIS]
    for name in sorted({library.name for library in found}):
        missing = ABIS.keys() - {library.abi for library in found if library.name == name}
        found += [Library(name, abi, 0, 0, ("it is not there",)) for abi in sorted(missing)]
    return sorted(found, key=lambda library: (library.name, library.abi))


def _files(archive: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    """The .so files of an archive."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for name in opened.namelist():
                if name.endswith(".so"):
                    yield PurePosixPath(name), opened.read(name)
    else:
        with tarfile.open(archive) as tarball:
            for member in tarball:
                stream = tarball.extractfile(member) if member.name.endswith(".so") else None
                if stream is not None:
                    yield PurePosixPath(member.name), stream.read()


def main(archives: list[Path]) -> int:
    """Print the table; 1 where a library that is shipped would not do."""
    rows = [("archive", "library", "ABI", "size", "aligned to", "")]
    faults = shipped = 0
    for archive in archives:
        for library in libraries(archive):
            size = f"{library.size_bytes / 1e6:.1f} MB" if library.size_bytes else ""
            alignment = f"{library.alignment_bytes // 1024} KB" if library.alignment_bytes else ""
            rows.append((archive.name, library.name, library.abi, size, alignment, "; ".join(library.faults) or "fine"))
            faults += bool(library.faults)
            shipped += bool(library.faults) and archive.suffix in SHIPPED
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    count = len(rows) - 1
    print(f"{count - faults} of {count} libraries are fine for Android on pages of 16 KB")
    return 1 if shipped else 0


if __name__ == "__main__":
    sys.exit(main([Path(argument) for argument in sys.argv[1:]]))

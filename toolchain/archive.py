"""Zip files as edgeship writes them: stored entries one after another, the same bytes for the same content."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

Source = Path | bytes
EARLIEST = (1980, 1, 1, 0, 0, 0)
"""What a zip file gives for a time when it has none."""
LARGEST_BYTES = zipfile.ZIP64_LIMIT
"""The readers in Kotlin and Swift take the plain kind alone."""
_MODE = 0o100644 << 16


def write_zip(file: Path, entries: Mapping[str, Source]) -> None:
    """Write files by their names in it, LARGEST_BYTES at most.

    Stored, not compressed: a runtime can map a file where it lies, and no reader unpacks a bomb. zipfile.LargeZipFile
    for more.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=False) as archive:
        for name, source in sorted(entries.items()):
            entry = zipfile.ZipInfo(name, EARLIEST)
            entry.external_attr = _MODE
            entry.create_system = 3  # Unix, whatever this machine is
            archive.writestr(entry, source if isinstance(source, bytes) else source.read_bytes())

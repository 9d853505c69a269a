"""Writes that a power cut finds whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write(file: Path, data: bytes) -> None:
    """A file whose bytes are on the disk; its name is when its folder is synced."""
    with file.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def replace(file: Path, data: bytes) -> None:
    """Put a file in the place of another: who reads it finds the one or the other, whole."""
    partial = file.with_name(f"{file.name}.partial")
    write(partial, data)
    partial.replace(file)
    sync(file.parent)


def sync(folder: Path) -> None:
    """Names of files are on disk only when their folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

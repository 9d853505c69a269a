"""Writes that a power cut finds whole or not at all."""

from __future__ import annotations

import os
import shutil
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


def link(file: Path, name: Path) -> None:
    """Give a file a second name; a copy where the file system has no such (vfat, exFAT)."""
    try:
        os.link(file, name)
    except OSError:
        shutil.copyfile(file, name)
        with name.open("rb+") as stream:
            os.fsync(stream.fileno())


def sync(folder: Path) -> None:
    """Names of files are on disk only when their folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""How many bytes of a file a store sends at most: deflated, as archives of apps are."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO, ClassVar

from edgeship.toolchain.artifact import Artifact
from edgeship.toolchain.build.store import Record, Store, key_of

BLOCK = 1 << 20


class DeflatedRecord(Record):
    """What is left of an artifact's files."""

    kind: ClassVar[str] = "deflated"

    size_bytes: int


def of_artifact(artifact: Artifact, folder: Path, store: Store) -> int:
    """An artifact's files in their folder; seconds for 100 MB, so what is known is not found out again.

    LineError where the store's disk is full.
    """
    parts = [folder / name for name in (artifact.file, *artifact.extra_files)]
    key = key_of(["deflated", artifact.sha256, artifact.extra_sha256])
    return store.recall(key, DeflatedRecord, lambda: DeflatedRecord(size_bytes=deflated_bytes(parts))).size_bytes


def deflated_bytes(parts: Iterable[Path]) -> int:
    """Files and folders as a store sends them at most: each file deflated."""
    total = 0
    for part in parts:
        for file in sorted(part.rglob("*")) if part.is_dir() else [part]:
            if file.is_file():
                with file.open("rb") as stream:
                    total += deflated(stream)
    return total


def deflated(stream: IO[bytes]) -> int:
    """How many bytes are left of a file's."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    count = sum(len(packer.compress(block)) for block in iter(lambda: stream.read(BLOCK), b""))
    return count + len(packer.flush())

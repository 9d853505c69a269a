"""Files of a verified bundle under the names that they have where they are used."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from edgeship.apps.board.tree import Tree
from edgeship.apps.board.verify import ENVELOPE, MANIFEST, Verified


def unpack(verified: Verified, artifact: Mapping[str, Any], folder: Path) -> Path:
    """Write an artifact's files below `folder`; the path that its runtime is given."""
    for file in artifact["files"]:
        _copy(verified.files, f"files/{file['sha256']}", folder / file["path"])
    return folder / str(artifact["entry"])


def copy_whole(verified: Verified, folder: Path) -> None:
    """Write the bundle itself as a folder: every byte of it, so that whoever trusts its keys verifies it there."""
    for name in entries(verified):
        _copy(verified.files, name, folder / name)


def entries(verified: Verified) -> Iterable[str]:
    """The names of the bundle's own files."""
    roots = [root["path"] for root in verified.manifest["roots"]]
    return [MANIFEST, ENVELOPE, *roots, *(f"files/{file['sha256']}" for file in verified.manifest["files"])]


def _copy(files: Tree, name: str, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with files.open(name) as source, place.open("wb") as target:
        shutil.copyfileobj(source, target)

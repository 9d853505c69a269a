"""What agents are made of and made into: each folder of the cache is filled once, whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from edgeship.toolchain.api import MissingError, cache_root


def kept(kind: str, key: str, what: str, make: Callable[[Path], None]) -> Path:
    """The folder KIND/KEY of the cache; `make` fills it where it is not there yet, whatever it raises leaves none.

    MissingError, which names `what`, where the cache cannot be written.
    """
    folder = cache_root() / kind / key
    if folder.exists():
        return folder
    if cache_root().exists() and not os.access(cache_root(), os.W_OK):
        hint = "let EDGESHIP_CACHE name a folder that can be written"
        raise MissingError(f"the cache {cache_root()} is read-only: {what} cannot be kept there", hint)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / "lock"):
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=folder.parent, ignore_cleanup_errors=True) as partial:
                make(Path(partial))
                Path(partial).rename(folder)
    return folder

"""A full disk by its name: libraries only say that a write failed, some not even that."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edgeship.toolchain.errors import LineError, first_line

FULL = (errno.ENOSPC, errno.EDQUOT)
NOTHING_LEFT_BYTES = 1 << 20
"""With less than this free where it wrote, what failed is taken to have failed for lack of room."""


def out_of_room(error: Exception, folder: Path) -> LineError | None:
    """The error that names the full disk, where `error` came of one; `folder` and the temporary folder were written to.

    Ask before what was half written is removed.
    """
    free = {written: shutil.disk_usage(written).free for written in (folder, Path(tempfile.gettempdir()))}
    fullest = min(free, key=lambda written: free[written])
    for cause in _chain(error):
        if isinstance(cause, OSError) and cause.errno in FULL:
            return _full(Path(cause.filename) if isinstance(cause.filename, str) else fullest, error)
        if os.strerror(errno.ENOSPC) in str(cause):
            return _full(fullest, error)
    return _full(fullest, error) if free[fullest] < NOTHING_LEFT_BYTES else None


def _full(path: Path, error: Exception) -> LineError:
    disk = next((parent for parent in (path, *path.parents) if parent.is_mount()), path)
    return LineError(
        f"no room left on {disk}, where {path} lies ({type(error).__name__}: {first_line(error)})",
        "free room there, then run again: what was finished is kept; EDGESHIP_CACHE and TMPDIR name other places",
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and those it came of."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__

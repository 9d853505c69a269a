"""What dead processes left in the store, and what is more than its limit, goes away."""

from __future__ import annotations

import contextlib
import shutil
import time
from pathlib import Path

from filelock import FileLock, Timeout

from edgeship.toolchain.build.store import Store

LOCK_AGE_S = 24 * 3600
SCRATCH_AGE_S = 30 * 24 * 3600


def tidy(store: Store) -> int:
    """Remove what killed processes left and, over the limit, the least recently used; returns freed bytes."""
    if store.read_only:
        return 0
    root, freed = store.root, 0
    for name in {path.name.removesuffix(".lock") for path in (root / "partial").iterdir()}:
        freed += _drop_unless_held(root / "partial" / name, root / "partial" / f"{name}.lock")
    for scratch in (root / "scratch").iterdir():  # checkpoints of killed work are kept, for a while
        if _age_s(scratch) > SCRATCH_AGE_S or not any(scratch.iterdir()):
            freed += _drop_unless_held(scratch, root / "locks" / f"{scratch.name}.lock")
    for lock in (root / "locks").iterdir():  # whoever waits for a lock opens it again and again
        if _age_s(lock) > LOCK_AGE_S:
            _drop_unless_held(lock, lock)
    entries = store.entries()
    total = sum(entry.size_bytes for entry in entries)
    for entry in entries:
        if total <= store.limit_bytes:
            break
        store.remove(entry)
        total -= entry.size_bytes
        freed += entry.size_bytes
    return freed


def _drop_unless_held(path: Path, lock: Path) -> int:
    """Remove a file or folder and its lock, unless a living process holds it; the bytes freed."""
    try:
        with FileLock(lock, timeout=0):
            freed = sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
            shutil.rmtree(path, ignore_errors=True)
            lock.unlink(missing_ok=True)
    except Timeout:
        return 0
    return freed


def _age_s(path: Path) -> float:
    with contextlib.suppress(FileNotFoundError):
        return time.time() - path.stat().st_mtime
    return 0.0

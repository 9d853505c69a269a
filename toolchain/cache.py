"""Where the cache lies and how large it may get."""

from __future__ import annotations

import os
from pathlib import Path

from edgeship.toolchain.errors import RecipeError

DEFAULT_LIMIT_GB = 20.0


def cache_root() -> Path:
    """The cache folder: $EDGESHIP_CACHE, else the platform's own."""
    if root := os.environ.get("EDGESHIP_CACHE"):
        return Path(root)
    import platformdirs

    return Path(platformdirs.user_cache_dir("edgeship"))


def cache_limit_bytes() -> int:
    """The cache's size limit: $EDGESHIP_CACHE_LIMIT_GB, else 20 GB."""
    text = os.environ.get("EDGESHIP_CACHE_LIMIT_GB")
    try:
        limit = float(text) if text else DEFAULT_LIMIT_GB
    except ValueError:
        limit = -1.0
    if limit < 0:
        raise RecipeError(f"EDGESHIP_CACHE_LIMIT_GB={text}: is not a size", "a number of gigabytes, e.g. 5")
    return int(limit * 1e9)

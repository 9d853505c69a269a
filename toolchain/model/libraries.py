"""Libraries that bring operators of their own: a stored program loads only where these are registered."""

from __future__ import annotations

import re
import zipfile
from importlib import import_module
from pathlib import Path

from edgeship.toolchain.errors import missing_extra

LIBRARIES = {"torchvision": ("torchvision", "vision")}
"""Namespace of operators → the module that registers them, and edgeship's extra that installs it."""
_NAMESPACE = re.compile(rb'"torch\.ops\.(\w+)\.')


def register_operators(path: Path) -> None:
    """Import what the operators of a .pt2 belong to; MissingError where it is not installed."""
    if not zipfile.is_zipfile(path):
        return  # torch says what it is
    with zipfile.ZipFile(path) as archive:
        graphs = [name for name in archive.namelist() if re.search(r"/models/[^/]+\.json$", name)]
        used = {found.decode() for name in graphs for found in _NAMESPACE.findall(archive.read(name))}
    for module, extra in (LIBRARIES[name] for name in sorted(used & LIBRARIES.keys())):
        try:
            import_module(module)
        except ImportError:
            raise missing_extra(extra, module) from None

"""Quantize a PyTorch model once, ship it to every edge runtime, and prove that every file computes the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeship.toolchain import __version__

if TYPE_CHECKING:
    from edgeship.toolchain.api import convert

__all__ = ["__version__", "convert"]


def __getattr__(name: str) -> Any:
    """The public names, imported when they are asked for: the command line starts without numpy and torch."""
    if name == "convert":
        from edgeship.toolchain.api import convert

        return convert
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

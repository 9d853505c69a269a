"""Quantize a PyTorch model once, ship it to every edge runtime, and prove that every file computes the same."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from edgeship.toolchain import __version__

if TYPE_CHECKING:
    from edgeship.toolchain.build.store import Store
    from edgeship.toolchain.commands.notebook import Converted, convert, run
    from edgeship.toolchain.commands.verify import verify
    from edgeship.toolchain.errors import EdgeshipError
    from edgeship.toolchain.judge.verdict import Verdict
    from edgeship.toolchain.recipe.plan import Recipe
    from edgeship.toolchain.recipe.read import read
    from edgeship.toolchain.report.document import Report

__all__ = [
    "Converted",
    "EdgeshipError",
    "Recipe",
    "Report",
    "Store",
    "Verdict",
    "__version__",
    "convert",
    "read",
    "run",
    "verify",
]

_HOMES = {
    "Converted": "commands.notebook",
    "EdgeshipError": "errors",
    "Recipe": "recipe.plan",
    "Report": "report.document",
    "Store": "build.store",
    "Verdict": "judge.verdict",
    "convert": "commands.notebook",
    "read": "recipe.read",
    "run": "commands.notebook",
    "verify": "commands.verify",
}


def __getattr__(name: str) -> Any:
    """The public names, imported when they are asked for: the command line starts without numpy and torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"edgeship.toolchain.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__

"""The source files that a piece of work runs through: a module, and what it imports of edgeship and its own package."""

from __future__ import annotations

import ast
import functools
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from edgeship import toolchain
from edgeship.toolchain.build.store import key_of
from edgeship.toolchain.plugin import Plugin, Target

OWN = "edgeship"
ROOT = Path(toolchain.__file__).resolve().parents[1]
NOT_FOLLOWED = (
    # the face of edgeship, whose parts take part through the stages; and what decides when work is done, not how
    "edgeship.toolchain.api",
    "edgeship.toolchain.build.keys",
    "edgeship.toolchain.build.store",
    "edgeship.toolchain.recipe",
)
_STOPS = tuple(f"{name}." for name in NOT_FOLLOWED)
_one_reader = threading.RLock()
"""Lines ask for keys in threads, all at once for the same ones: one reads, the others take what it found. Besides,
CPython 3.11 counts the depth of a syntax tree once for all threads."""


def digest(*modules: str) -> str:
    """One digest over the files of these modules and of all they import; an installed edgeship's is its version."""
    if not _is_checkout() and all(module.partition(".")[0] == OWN for module in modules):
        return toolchain.__version__
    with _one_reader:
        return _digest(modules)


def digest_of_plugin(plugin: Plugin) -> str:
    """The same for the module of a plugin's class; a target owns the package it lies in, with all that is in it."""
    return digest(home(type(plugin)))


def home(kind: type[Plugin]) -> str:
    """The module that a plugin is, or a target's package."""
    package = kind.__module__.rpartition(".")[0]
    return package if package and issubclass(kind, Target) else kind.__module__


def digest_of_files(paths: Iterable[Path]) -> str:
    """One digest over files, by their names and contents."""
    return key_of([[path.name, path.read_text(errors="replace")] for path in paths])


def files(*modules: str, root: Path = ROOT) -> tuple[Path, ...]:
    """The files of modules, of packages with all that lies in them, and of what they import, in functions too.

    Followed are edgeship, which lies in `root`, and the packages that the modules belong to.
    """
    tops = {OWN, *(module.partition(".")[0] for module in modules)}
    waiting = [file for module in modules for file in _files_in(module, root)]
    reached: set[Path] = set()
    while waiting:
        file = waiting.pop()
        if file in reached:
            continue
        reached.add(file)
        for name in _imports(file):
            followed = name.partition(".")[0] in tops and not f"{name}.".startswith(_STOPS)
            if followed and (imported := _file(name, root)):
                waiting.append(imported)
    return tuple(sorted(reached))


@functools.cache
def _is_checkout() -> bool:
    return (ROOT / "pyproject.toml").is_file()


@functools.cache
def _digest(modules: tuple[str, ...]) -> str:
    return key_of([_named_text(file) for file in files(*modules)])


@functools.cache
def _named_text(file: Path) -> tuple[str, str]:
    return file.name, file.read_text(errors="replace")


def _file(module: str, root: Path) -> Path | None:
    """The file of a module, __init__.py of a package; None for a name that is something else."""
    top = module.partition(".")[0]
    if top != OWN:
        loaded = sys.modules.get(top)
        if loaded is None or loaded.__file__ is None:
            return None
        root = Path(loaded.__file__).parents[1 if hasattr(loaded, "__path__") else 0]
    return _file_below(root, module)


@functools.cache
def _file_below(root: Path, module: str) -> Path | None:
    path = root.joinpath(*module.split("."))
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)


def _files_in(module: str, root: Path) -> list[Path]:
    file = _file(module, root)
    if file is None:
        return []
    return sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file]


@functools.cache
def _imports(file: Path) -> tuple[str, ...]:
    """The names that a file imports, from wherever in it; each may be a module or something in one."""
    with _one_reader:
        tree = ast.parse(file.read_bytes(), file)
    return tuple(_names(tree))


def _names(block: ast.AST) -> Iterator[str]:
    """What the statements in a block import, and those inside them; not what is only imported for type checkers."""
    for part in ("body", "orelse", "finalbody", "handlers", "cases"):
        for node in getattr(block, part, ()):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            elif not (isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
                yield from _names(node)

"""References to the user's own Python (`./model.py:build`, `package.module:function`) become callables here."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from edgeship.toolchain.errors import EdgeshipError, MissingError, RecipeError, missing_extra

# packages that edgeship knows an extra for: the error prints the exact install command
EXTRAS = {"torchvision": "vision", "timm": "vision", "PIL": "vision", "transformers": "text"}


# the user's folders that are in sys.path now, and that _import_from may therefore take away, each with what was loaded
# before it came
_appended: dict[str, frozenset[str]] = {}


def load_callable(reference: str, base: Path) -> Callable[..., Any]:
    """The callable behind `./file.py:function` or `package.module:function`; the attribute may be dotted.

    A relative file is taken from the folder `base` (the recipe's). The file's own folder and `base` are appended to
    sys.path, never prepended, so a user's `targets/` or `json.py` shadows nothing; they make way when a file of another
    folder is loaded, so that two projects' `data.py` never mix. RecipeError when the reference, the file or the
    attribute is wrong or the file fails while it is imported; MissingError when a package is missing.
    """
    where, _, attribute = reference.rpartition(":")
    if not where or not attribute:
        raise RecipeError(
            f"{reference!r} does not name a function", "write ./file.py:function or package.module:function"
        )
    file = source_file(reference, base)
    module = _import_file(file, base, reference) if file else _import_module(where, base, reference)
    value: Any = module
    for name in attribute.split("."):
        if not hasattr(value, name):
            known = ", ".join(n for n, v in vars(module).items() if callable(v) and not n.startswith("_"))
            raise RecipeError(
                f"{reference}: there is no {name!r} in {where}", f"it has: {known[:300]}" if known else ""
            )
        value = getattr(value, name)
    if not callable(value):
        raise RecipeError(f"{reference}: {attribute} is a {type(value).__name__}, not a function", "name a function")
    return value  # type: ignore[no-any-return]


def installed_path() -> list[str]:
    """sys.path without the folders of the file that was loaded last: what a worker of any other recipe starts with."""
    return [folder for folder in sys.path if folder not in _appended]


def source_file(reference: str, base: Path) -> Path | None:
    """The absolute path of the file a reference names, or None for one into a package."""
    where = reference.rpartition(":")[0]
    if not where.endswith(".py") and "/" not in where:
        return None
    return (base / Path(where).expanduser()).resolve()


def _import_file(file: Path, base: Path, reference: str) -> ModuleType:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise RecipeError(f"{reference}: cannot read {file} ({error.strerror})", "check the path") from error
    # the name carries path and content: two recipes' model.py live side by side, an edited file is loaded anew
    name = f"edgeship_user_{file.stem}_{hashlib.sha256(str(file).encode() + content).hexdigest()[:12]}"
    _import_from(file.parent, base)
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None:
        raise RecipeError(f"{reference}: {file} is not a Python file", "name a .py file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look their module up there
    try:
        # what was read and named above, not a .pyc: Python takes one of the same second and size for the file's
        exec(compile(content, str(file), "exec", dont_inherit=True), module.__dict__)
    except Exception as error:
        del sys.modules[name]
        raise _import_failed(reference, file, error) from error
    return module


def _import_module(name: str, base: Path, reference: str) -> ModuleType:
    _import_from(base)
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise _import_failed(reference, None, error) from error


def _import_from(*folders: Path) -> None:
    """Make `folders` the only ones of a user's that plain imports search, after everything installed."""
    wanted = list(dict.fromkeys(str(folder.resolve()) for folder in folders))
    left = {folder: before for folder, before in _appended.items() if folder not in wanted}
    known = list(sys.modules.items())  # a copy: other threads import meanwhile
    # what was there before a folder came stays: edgeship itself, where a recipe is run in its checkout
    gone = {name for name, module in known if name not in left.get(_found_in(name, module) or "", (name,))}
    for name, _ in known:
        # a module lives on in whoever imported it; only its plain name is free again
        if name.partition(".")[0] in gone:
            sys.modules.pop(name, None)
    sys.path[:] = installed_path()
    before = frozenset(sys.modules)
    stay = {folder: _appended.get(folder, before) for folder in wanted if folder not in sys.path}
    _appended.clear()
    _appended.update(stay)
    sys.path.extend(stay)


def _found_in(name: str, module: ModuleType) -> str | None:
    """The sys.path entry that a plain import found a top-level module or package in."""
    if "." in name or name.startswith("edgeship_user_"):
        return None
    known = getattr(module, "__dict__", {})  # not getattr on the module: lazy ones would load themselves
    package = [Path(path) for path in known.get("__path__") or ()]
    file = package[0] if package else known.get("__file__")
    return str(Path(file).parent) if file else None


def missing_module(name: str, reference: str) -> MissingError:
    """The error for a module that no installed package has."""
    package = name.partition(".")[0]
    if package in EXTRAS:
        return missing_extra(EXTRAS[package], package)
    return MissingError(f"{reference}: there is no module {name!r}", f"install the package that has {package}")


def _import_failed(reference: str, file: Path | None, error: Exception) -> EdgeshipError:
    if isinstance(error, ModuleNotFoundError) and error.name:
        where = reference.rpartition(":")[0]
        if "." in error.name and f"{where}.".startswith(f"{error.name}."):  # its package is there
            return RecipeError(f"{reference}: there is no module {error.name!r}", "correct the name")
        return missing_module(error.name, reference)
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if file and frame.filename == str(file)
    ]
    line = error.lineno if isinstance(error, SyntaxError) else (lines[-1] if lines else None)
    place = f"{file}:{line}" if file and line else reference
    return RecipeError(f"{place}: {type(error).__name__} while importing it: {error}", "correct the file")

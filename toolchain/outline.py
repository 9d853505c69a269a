"""What is certainly wrong with a reference to Python code, from its text alone: nothing is imported, nothing runs.

Where a module makes its names as it runs (`__getattr__`, `globals()`, `sys.modules`), or has no text, nothing is
certain, and only running the reference tells.
"""

from __future__ import annotations

import ast
import difflib
import importlib.util
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from edgeship.toolchain.errors import EdgeshipError, RecipeError
from edgeship.toolchain.references import missing_module, source_file


class _NotCertain(Exception):
    """Only importing it could tell."""


def fault(reference: str, base: Path) -> EdgeshipError | None:
    """RecipeError for what `./file.py:function` or `package.module:function` certainly does not name, MissingError for
    a package that is not installed, else None."""
    where, _, attribute = reference.rpartition(":")
    try:
        if not where or not attribute:
            return _names_no_function(reference, base)
        file = source_file(reference, base)
        if file is not None and not file.is_file():
            return RecipeError(f"there is no file {file}", "check the path; in a recipe ./NAME starts from its folder")
        name = attribute.partition(".")[0]
        if name in _names(where, file, base, name):
            return None
        return RecipeError(f"there is no {name!r} in {where}", _near(name, _names(where, file, base, "")))
    except _NotCertain:
        return None
    except EdgeshipError as error:
        return error


def _names_no_function(reference: str, base: Path) -> RecipeError:
    file = base / reference.rstrip(":")
    hint = "write ./file.py:function or package.module:function"
    if file.suffix == ".py" and file.is_file():
        functions = [node.name for node in _parsed(file).body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        if functions:
            hint = f"write {reference.rstrip(':')}:{functions[-1]}; it has {', '.join(functions)}"
    return RecipeError(f"{reference!r} names no function", hint)


def _near(name: str, names: set[str]) -> str:
    public = sorted(known for known in names if not known.startswith("_"))
    near = difflib.get_close_matches(name, public, n=1)
    return f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(public)}"[:300]


def _names(module: str, file: Path | None, base: Path, wanted: str) -> set[str]:
    """The names in a file or module; with a name that is `wanted`, files whose text lacks it are passed over."""
    outline = _Outline(base, wanted)
    if file is not None:
        outline.read(file, None)
        return outline.names
    spec = _find(module, base)
    outline.read_spec(spec)
    return outline.names | _inside(spec)  # a submodule is an attribute once it was imported


def _inside(spec: ModuleSpec) -> set[str]:
    return {path.stem for folder in spec.submodule_search_locations or () for path in Path(folder).glob("*")}


def _find(module: str, base: Path) -> ModuleSpec:
    """The module's spec; no parent is imported, unlike what importlib.util.find_spec does."""
    name, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(name) or PathFinder.find_spec(name, [str(base)])
    except (ImportError, ValueError) as error:
        raise _NotCertain from error
    if spec is None:
        raise missing_module(name, module)
    for part in rest:
        folders = spec.submodule_search_locations
        inner = PathFinder.find_spec(f"{name}.{part}", list(folders)) if folders else None
        if inner is None:
            if not all(Path(folder).is_dir() for folder in folders or ()):
                raise _NotCertain
            _Outline(base, "").read_spec(spec)  # not certain where the parent can make modules as it runs
            raise RecipeError(f"there is no module {name}.{part}", _near(part, _inside(spec)))
        name, spec = f"{name}.{part}", inner
    return spec


class _Outline:
    """The names that a module's statements bind, star imports followed."""

    def __init__(self, base: Path, wanted: str) -> None:
        self.names: set[str] = set()
        self._base = base
        self._wanted = wanted.encode()
        self._seen: set[Path] = set()

    def read_spec(self, spec: ModuleSpec) -> None:
        if spec.origin is None or not spec.origin.endswith(".py"):
            raise _NotCertain
        self.read(Path(spec.origin), spec)

    def read(self, file: Path, spec: ModuleSpec | None) -> None:
        """Add a file's names; `spec` is its module's, where it has one."""
        text = file.read_bytes()
        if file in self._seen or (self._wanted not in text and b"import *" not in text):
            return
        self._seen.add(file)
        for node in _of_module(_parsed(file)):
            match node:
                case ast.FunctionDef(name="__getattr__"):
                    raise _NotCertain
                case ast.Call(func=ast.Name(id="globals" | "vars" | "locals" | "exec")):
                    raise _NotCertain
                case ast.Attribute(attr="modules" | "meta_path" | "__dict__" | "__path__") | ast.Name(id="__path__"):
                    raise _NotCertain
                case ast.Name(id=name, ctx=ast.Store()):
                    self.names.add(name)
                case ast.ImportFrom(names=[ast.alias(name="*")]):
                    self._read_starred(node, spec)
                case ast.alias():
                    self.names.add(node.asname or node.name.partition(".")[0])
                case ast.Global():
                    self.names.update(node.names)
                case ast.MatchMapping(rest=str(name)):
                    self.names.add(name)
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                    self.names.add(node.name)
                case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                    self.names.add(name)

    def _read_starred(self, node: ast.ImportFrom, spec: ModuleSpec | None) -> None:
        """More than `from … import *` brings: all of that module's names."""
        if spec is None and node.level:
            raise _NotCertain
        parts = [node.module] if node.module else []
        if spec is not None and node.level:
            package = spec.name.split(".")[: None if spec.submodule_search_locations is not None else -1]
            parts = [*package[: len(package) - node.level + 1], *parts]
        try:
            starred = _find(".".join(parts), self._base)
        except EdgeshipError as error:
            raise _NotCertain from error
        self.read_spec(starred)


def _parsed(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_bytes(), str(file))
    except SyntaxError as error:
        raise RecipeError(f"{file}:{error.lineno}: SyntaxError: {error.msg}", "correct the file") from error
    except (OSError, ValueError, RecursionError) as error:
        raise _NotCertain from error


def _of_module(tree: ast.Module) -> Iterator[ast.AST]:
    """The nodes that run in the module's own scope, and what functions declare global."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield from (inner for inner in ast.walk(node) if isinstance(inner, ast.Global))
        else:
            waiting += ast.iter_child_nodes(node)

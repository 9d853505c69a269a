"""Whether torch may load a .pt2: its loader evaluates texts of the file and unpickles whatever it holds."""

from __future__ import annotations

import ast
import io
import json
import pickletools
import re
import zipfile
from collections.abc import Iterator
from typing import Any

# what sizes and guards of exported programs are made of; sympy's S, Poly and others evaluate the texts they are given
FUNCTIONS = {
    *("Symbol", "Integer", "Rational", "Float", "Add", "Mul", "Pow", "Mod", "Max", "Min", "Abs", "floor", "ceiling"),
    *("FloorDiv", "PythonMod", "ModularIndexing", "CleanDiv", "CeilDiv", "IntTrueDiv", "ToFloat", "TruncToInt"),
    *("Where", "Identity", "Eq", "Ne", "Lt", "Le", "Gt", "Ge", "And", "Or", "Not", "size", "stride"),
}
NODES = (
    *(ast.Expression, ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Constant, ast.Name, ast.Attribute),
    *(ast.Subscript, ast.Call, ast.keyword, ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context),
)
GLOBALS = re.compile(r"torch\._utils _rebuild_\w+|torch (\w+Storage|Size|device)|collections OrderedDict")
UNPICKLED = ("custom_obj_", "opaque_obj_")


class Harmful(ValueError):
    """torch's loader would run what a file says."""


def check(archive: zipfile.ZipFile) -> None:
    """Harmful with the first thing in a .pt2 that torch's loader would run and that is neither size nor tensor."""
    for entry in archive.namelist():
        if entry.rpartition("/")[2].startswith(UNPICKLED):
            raise Harmful(f"the object {entry}")
        if re.search(r"/models/[^/]+\.json$", entry):
            for text in _texts(json.loads(archive.read(entry))):
                if not _is_arithmetic(text):
                    raise Harmful(f"{text}")
        if zipfile.is_zipfile(inner := io.BytesIO(archive.read(entry))):
            for name in _unpickled(zipfile.ZipFile(inner)):
                raise Harmful(f"{name} in {entry}")


def _texts(value: Any) -> Iterator[str]:
    """Expressions of sizes, and guards, wherever they stand."""
    if isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "expr_str":
                yield str(item)
            elif key == "guards_code":
                yield from map(str, item or [])
            else:
                yield from _texts(item)


def _is_arithmetic(text: str) -> bool:
    """Numbers, symbols, operators and the functions above; texts only as a symbol's name or an index."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    named: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript):
            named.add(node.slice)
        if isinstance(node, ast.Call):
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if called not in FUNCTIONS:
                return False
            if called == "Symbol":
                named.update(node.args)
    return all(
        isinstance(node, NODES)
        and not (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and node not in named)
        and not (isinstance(node, ast.Attribute) and node.attr not in FUNCTIONS)
        for node in ast.walk(tree)
    )


def _unpickled(archive: zipfile.ZipFile) -> Iterator[str]:
    """What the pickles of a file of torch.save would call beside torch's own tensors."""
    for entry in archive.namelist():
        if entry.endswith(".pkl"):
            for code, value, _ in pickletools.genops(archive.read(entry)):
                if code.name in ("INST", "STACK_GLOBAL") or code.name.startswith("EXT"):
                    yield code.name
                elif code.name == "GLOBAL" and not GLOBALS.fullmatch(str(value)):
                    yield str(value)

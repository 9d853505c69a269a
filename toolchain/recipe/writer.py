"""A recipe's tables as TOML that people read and edit."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

BARE = re.compile(r"[A-Za-z0-9_-]+")
WIDTH = 100  # columns up to which a list stands on one line


def text(raw: dict[str, Any], notes: Iterable[str] = ()) -> str:
    """The tables of a recipe as TOML, notes first as comments; `tomllib` reads the same tables back."""
    lines = [f"# {line}" for note in notes for line in note.splitlines()]
    lines += [f"{_key(key)} = {value(item)}" for key, item in raw.items() if not isinstance(item, dict)]
    for name, table in raw.items():
        if not isinstance(table, dict):
            continue
        if name in ("targets", "devices"):
            lines.append("")
            for own, options in table.items():
                lines += [f"[{name}.{_key(own)}]", *_pairs(options)]
        else:
            lines += ["", f"[{_key(name)}]", *_pairs(table)]
    return "\n".join(lines) + "\n"


def value(item: Any) -> str:
    """One TOML value; tables are written in line."""
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, str):
        return json.dumps(item, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(item, dict):
        return "{ " + ", ".join(f"{_key(key)} = {value(inner)}" for key, inner in item.items()) + " }" if item else "{}"
    if isinstance(item, list | tuple):
        parts = [value(inner) for inner in item]
        line = "[" + ", ".join(parts) + "]"
        if len(line) <= WIDTH or not any(isinstance(inner, dict) for inner in item):
            return line
        return "[\n" + "".join(f"  {part},\n" for part in parts) + "]"
    return str(item)


def relative(item: Any, folder: Path, project: Path) -> Any:
    """Absolute paths inside `folder` or `project` as `./…` and `../…` from `folder`: the reverse of recipe.absolute."""
    if isinstance(item, dict):
        return {key: relative(inner, folder, project) for key, inner in item.items()}
    if isinstance(item, list):
        return [relative(inner, folder, project) for inner in item]
    if not isinstance(item, str) or not item.startswith("/"):
        return item
    file, colon, rest = item.partition(":")
    if not any(Path(file).is_relative_to(near) for near in (folder, project)):
        return item
    found = os.path.relpath(file, folder)
    return (found if found.startswith("..") else f"./{found}") + colon + rest


def _pairs(table: dict[str, Any]) -> list[str]:
    return [f"{_key(key)} = {value(item)}" for key, item in table.items()]


def _key(name: str) -> str:
    return name if BARE.fullmatch(name) else value(name)

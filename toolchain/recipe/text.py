"""A recipe's TOML to plain tables that hold nothing later steps could not take."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from edgeship.toolchain.errors import RecipeError

MAX_DEPTH = 64
TOO_BIG = ("an integer of more than 64 bits", "integers go from −2⁶³ to 2⁶³−1")


def read_text(path: Path) -> str:
    """The text of a recipe file; RecipeError where it is none."""
    try:
        str(path.resolve()).encode()
    except UnicodeEncodeError as error:
        raise RecipeError(f"{str(path)!r}: its path is not UTF-8", "rename the file or its folders") from error
    if path.exists() and not path.is_file():
        raise RecipeError(f"{path}: is not a file", "name the recipe's .toml")  # a pipe would be waited for
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror})", "`edgeship init` writes a recipe") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: is not a text file", "name the recipe's .toml; TOML is UTF-8") from error


def tables(text: str, place: str) -> dict[str, Any]:
    """The tables in a recipe's text; `place` names it in a RecipeError."""
    try:
        raw = tomllib.loads(text)
    except RecursionError as error:
        raise RecipeError(f"{place}: nested too deep", "write it flatter") from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{place}: not valid TOML: {error}", "see https://toml.io") from error
    except ValueError as error:  # Python's own, for an integer of thousands of digits
        raise RecipeError(f"{place}: {TOO_BIG[0]}", TOO_BIG[1]) from error
    _check_limits(raw, place)
    return raw


def _check_limits(value: Any, place: str, depth: int = 0) -> None:
    """RecipeError for what TOML's text can hold and nothing after it takes."""
    if depth > MAX_DEPTH:
        raise RecipeError(f"{place}: nested deeper than {MAX_DEPTH} levels", "write it flatter")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise RecipeError(f"{place}: {TOO_BIG[0]}", TOO_BIG[1])
    if isinstance(value, str) and "\0" in value:
        raise RecipeError(f"{place}: the text {value[:40]!r} holds a NUL character", "remove it")
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_limits(item, place, depth + 1)


def absolute(value: Any, base: Path) -> Any:
    """Make every './…' and '../…' in a recipe absolute, so that plugins never need to know the recipe's folder."""
    if isinstance(value, dict):
        return {key: absolute(item, base) for key, item in value.items()}
    if isinstance(value, list):
        return [absolute(item, base) for item in value]
    if isinstance(value, str) and value.startswith(("./", "../")):
        file, colon, rest = value.partition(":")
        return f"{(base / file).resolve()}{colon}{rest}"
    return value

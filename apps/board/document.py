"""JSON as every reader of bundles takes it: UTF-8, one object, no NaN, nothing very deep and no very long numbers."""

from __future__ import annotations

import json
from typing import Any, NoReturn

MOST_NUMBER = 2**53 - 1
"""The largest that JSON readers of every language keep."""
DEEPEST = 64
LONGEST_NUMBER = 64


def parse(data: bytes) -> dict[str, Any]:
    """The object that these bytes hold; ValueError where they hold none."""
    try:
        about = json.loads(
            data.decode(),
            strict=False,
            parse_constant=_refuse,
            parse_int=lambda text: int(_short(text)),
            parse_float=lambda text: float(_short(text)),
        )
    except RecursionError as error:
        raise ValueError("too deep") from error
    if not isinstance(about, dict):
        raise ValueError("not an object")
    _check_depth(about, DEEPEST)
    return about


def lists(about: dict[str, Any], *keys: str) -> list[list[Any]]:
    """The lists under these keys; ValueError where one is none."""
    found = [about[key] for key in keys]
    if not all(isinstance(value, list) for value in found):
        raise ValueError("not a list")
    return found


def _check_depth(value: Any, left: int) -> None:
    if isinstance(value, dict | list):
        if not left:
            raise ValueError("too deep")
        for inner in value.values() if isinstance(value, dict) else value:
            _check_depth(inner, left - 1)


def _short(number: str) -> str:
    if len(number) > LONGEST_NUMBER:
        raise ValueError("too long a number")
    return number


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")

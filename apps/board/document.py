"""JSON as every reader of bundles takes it: UTF-8, no NaN, one object."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def parse(data: bytes) -> dict[str, Any]:
    """The object that these bytes hold; ValueError where they hold none."""
    try:
        about = json.loads(data.decode(), parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("too deep") from error
    if not isinstance(about, dict):
        raise ValueError("not an object")
    return about


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")

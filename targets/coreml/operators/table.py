"""How an operator of MIL is registered: a function of its inputs, by their MIL names.

Floats arrive as float32 (also where the file says fp16; the interpreter rounds results), integers as they are, enum
inputs as str, lists of values as lists. An input that a function does not name is an error, never ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

Function = Callable[..., Any]
OPERATORS: dict[str, Function] = {}


def operator(function: Function) -> Function:
    """Register a function under its own name (a trailing underscore is dropped)."""
    OPERATORS[function.__name__.rstrip("_")] = function
    return function


def sizes(value: Tensor) -> list[int]:
    """The integers of a shape, axes or padding tensor."""
    return [int(v) for v in value.reshape(-1).tolist()]

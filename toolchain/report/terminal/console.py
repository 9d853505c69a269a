"""The two consoles and the sentences on them; user text is never read as markup."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.text import Text

if TYPE_CHECKING:
    from pydantic import BaseModel

LOG_WIDTH = 160
"""A pipe or a log file has no width of its own; $COLUMNS, where it is set, gives it one."""

out = Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else LOG_WIDTH)
err = Console(stderr=True, highlight=False)


def say(text: str, style: str = "", *, on: Console | None = None) -> None:
    """One line of text for a person; the terminal wraps it, so that it can be copied whole."""
    (on or out).print(Text(text, style=style), soft_wrap=True)


def show(view: Iterable[RenderableType], *, on: Console | None = None) -> None:
    """What a command found: sentences, which the terminal wraps, and tables, which fit its width."""
    for part in view:
        (on or out).print(part, soft_wrap=isinstance(part, Text), crop=False)


def print_json(value: Any) -> None:
    """A document for a program, on standard output."""
    sys.stdout.write((value if isinstance(value, str) else json.dumps(value, indent=1)) + "\n")


def print_document(document: BaseModel) -> None:
    """The same, what is not known left out."""
    print_json(document.model_dump_json(by_alias=True, exclude_none=True, indent=1))


def print_error(message: str, hint: str = "") -> None:
    """An error and what to do about it, on standard error."""
    err.print(Text.assemble(("error: ", "bold red"), message), soft_wrap=True)
    if hint:
        err.print(Text.assemble((" hint: ", "bold"), hint), soft_wrap=True)


def print_note(message: str) -> None:
    """What was decided without being asked, on standard error."""
    err.print(Text.assemble(("note: ", "bold"), message), soft_wrap=True)


def count(number: int, what: str) -> str:
    """`1 line`, `2 lines`."""
    return f"{number} {what}" + ("" if number == 1 else "s")

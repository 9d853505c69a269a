"""Everything that is wrong with a recipe, collected: each with its place in the file, and the nearest known key."""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from edgeship.toolchain.errors import EdgeshipError, RecipeError

T = TypeVar("T", bound=BaseModel)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
Place = tuple[str | int, ...]


class Problems:
    """Collects every error of a recipe, so that one run shows them all; its relative paths are taken from `base`."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.found: list[str] = []

    def add(self, place: str, message: str, hint: str = "") -> None:
        """One more; `place` is the key as in the file: calibration.preprocess.mean."""
        self.found.append(f"{place}: {message}" + (f"\n   hint: {hint}" if hint else ""))

    def add_error(self, place: str, error: EdgeshipError) -> None:
        """One more, as another module found it."""
        self.add(place, str(error), error.hint)

    def unknown(self, place: str, what: str, key: str, known: Iterable[str]) -> None:
        """A key that nobody knows, with the nearest one that is known."""
        names = sorted(known)
        near = difflib.get_close_matches(key, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(names) or 'none'}"
        self.add(place, f"there is no such {what}", hint)

    def check_name(self, name: Any, place: str) -> None:
        """A name of the user's becomes a folder's name: refuse what could not be one."""
        if not isinstance(name, str) or not NAME.fullmatch(name):
            self.add(place, f"{name!r} cannot be a name", "use letters, digits, '.', '_' and '-'")

    def build(self, kind: type[T], place: str, table: Any, also: Iterable[str] = ()) -> T | None:
        """Validate a table; what is wrong is recorded. `also` are known keys of the table that are read elsewhere."""
        if not isinstance(table, dict):
            self.add(place, f"must be a table, not {type(table).__name__}")
            return None
        try:
            return kind.model_validate(table)
        except ValidationError as error:
            for where, detail in _essential(error, table):
                full = place + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where)
                if detail["type"] == "extra_forbidden":
                    inside = _model_at(kind, where[:-1])
                    known = set(inside.model_fields) if inside else set()
                    self.unknown(full, "key", str(where[-1]), known if len(where) > 1 else {*known, *also})
                else:
                    got = "" if detail["type"] == "missing" else f" (got {_short(detail['input'])})"
                    self.add(full, detail["msg"].removeprefix("Value error, ").replace("valid tuple", "list") + got)
            return None

    def raise_any(self, place: str) -> None:
        """RecipeError with all of them, where there are any."""
        if self.found:
            many = f"{len(self.found)} problems" if len(self.found) > 1 else "1 problem"
            raise RecipeError(f"{place}: {many}\n" + "\n".join(f" - {problem}" for problem in self.found))


def _essential(error: ValidationError, table: Any) -> Iterator[tuple[Place, ErrorDetails]]:
    """Each error once, at its place in the table: not what follows from one deeper inside, nor a union's other half."""
    located = [(_place(detail, table), detail) for detail in error.errors()]
    seen = set()
    for place, detail in located:
        deeper = any(len(other) > len(place) and other[: len(place)] == place for other, _ in located)
        if not deeper and place not in seen:
            seen.add(place)
            yield place, detail


def _place(detail: ErrorDetails, table: Any) -> Place:
    """Where an error lies in the table itself: pydantic's place has the names of a union's types in between."""
    place: list[str | int] = []
    value = table
    location = detail["loc"]
    for index, part in enumerate(location):
        is_last = index == len(location) - 1
        if isinstance(value, dict) and part in value:
            value = value[str(part)]
        elif isinstance(value, list | tuple) and isinstance(part, int) and part < len(value):
            value = value[part]
        elif not (is_last and detail["type"] == "missing"):
            continue
        place.append(part)
    return tuple(place)


def _model_at(kind: type[BaseModel], place: Sequence[str | int]) -> type[BaseModel] | None:
    """The model of the table at a place inside `kind`'s, as far as the annotations tell."""
    if not place:
        return kind
    field = kind.model_fields.get(str(place[0]))
    rest = place[1:]
    while rest and isinstance(rest[0], int):
        rest = rest[1:]
    inner = next(_models_in(field.annotation), None) if field else None
    return _model_at(inner, rest) if inner else None


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from _models_in(part)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}…"

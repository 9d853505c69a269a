"""The languages: which files a wrapper has there, and how names, values and calls are written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from edgeship.toolchain.artifact import AudioInput, ImageInput, WordPiece
from edgeship.toolchain.codegen.wrapper import Kind, Source

LINE = 120
"""Characters, as in all of edgeship's code."""


@dataclass(frozen=True)
class Language:
    """One of them; file names may hold {snake} and {Camel}, the class's name."""

    name: str
    files: Mapping[str, str]
    """Template → file."""
    types: Mapping[Kind, str]
    """Of parameters."""
    indent: int
    string: Callable[[str], str]
    identifier: Callable[[str], str]
    """Of a parameter or an output."""
    constant: Callable[[str], str]
    """Of an input's declaration."""
    declaration: str
    """Of a parameter: {name} and {type}."""
    reserved: frozenset[str]
    """Keywords, and what the templates call something."""
    image: Callable[[ImageInput], list[str]]
    """What its constructor is given beside the defaults; so are `audio` and `wordpiece`."""
    audio: Callable[[AudioInput], list[str]]
    wordpiece: Callable[[WordPiece], list[str]]
    made: Callable[[Source, Language], str]
    """The expression of an input."""
    answer: str = "answer."
    """What an output's name is written after."""
    explodes: bool = False
    """Whether what does not fit a line has one item per line, as formatters of this language want."""
    trailing: str = ","

    def name_of(self, text: str) -> str:
        """An identifier that is no keyword."""
        return self._free(self.identifier(text))

    def constant_of(self, text: str) -> str:
        """The name of an input's declaration."""
        return self._free(self.constant(text))

    def _free(self, found: str) -> str:
        found = found if found[:1].isalpha() else f"x{found}"
        return f"{found}_" if found in self.reserved else found

    def listed(self, items: Iterable[str], begin: str, end: str, indent: int = 0) -> str:
        """Items between brackets: on one line where they fit, else on lines of their own."""
        items = list(items)
        flat = f"{begin}{', '.join(items)}{end}"
        if indent + len(flat) <= LINE:
            return flat
        inner = " " * (indent + self.indent)
        lines, line = [], inner
        for item in items:
            if line.strip() and (self.explodes or len(line) + len(item) + 1 > LINE):
                lines.append(line.rstrip())
                line = inner
            line += f"{item}, "
        last = line.rstrip(" ,") + self.trailing
        return "\n".join([begin, *lines, last, f"{' ' * indent}{end}"])


def quoted(text: str, more: Mapping[str, str], code: Callable[[str], str]) -> str:
    """A literal between double quotes, character by character; `code` writes those that cannot be seen.

    more: what this language escapes beside quotes, backslashes and the usual white space.
    """
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", **more}
    return f'"{"".join(escapes.get(one) or (one if one.isprintable() else code(one)) for one in text)}"'


def image_fields(said: ImageInput, write: Mapping[str, Callable[[Any], str]]) -> list[str]:
    """How a language writes what is not the default, in ImageInput's order; a `resize` is `shorter` or `to`."""
    fields = said.model_dump(exclude_defaults=True)
    return [
        write[name if name != "resize" else "shorter" if isinstance(value, int) else "to"](value)
        for name, value in fields.items()
    ]


def written(flag: bool) -> str:
    """true or false."""
    return str(flag).lower()

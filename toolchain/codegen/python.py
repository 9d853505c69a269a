"""Wrappers in Python."""

from __future__ import annotations

import keyword

from edgeship.toolchain.artifact import AudioInput, ImageInput, WordPiece
from edgeship.toolchain.codegen.languages import Language, quoted
from edgeship.toolchain.codegen.names import reserved, snake
from edgeship.toolchain.codegen.wrapper import Source


def _string(text: str) -> str:
    """With the quotes that need no backslash."""
    if '"' in text and "'" not in text:
        inner = quoted(text, {'"': '"'}, _code)[1:-1]
        return f"'{inner}'"
    return quoted(text, {}, _code)


def _code(one: str) -> str:
    number = ord(one)
    return f"\\x{number:02x}" if number < 1 << 8 else f"\\u{number:04x}" if number < 1 << 16 else f"\\U{number:08x}"


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        items = ", ".join(map(_value, value))
        return f"({items},)" if len(value) == 1 else f"({items})"
    return _string(value) if isinstance(value, str) else repr(value)


def _options(said: ImageInput | AudioInput) -> list[str]:
    return [f"{name}={_value(value)}" for name, value in said.model_dump(exclude_defaults=True).items()]


def _wordpiece(said: WordPiece) -> list[str]:
    settings = said.model_dump(exclude={"vocabulary", "characters"})
    return [f"{_string(name)}: {_value(value)}" for name, value in settings.items()]


def _made(source: Source, language: Language) -> str:
    name = language.name_of(source.parameter.name)
    if source.parameter.kind == "tensor":
        return name
    own = f"{language.constant_of(source.tensor.name)}.{source.parameter.method}({name})"
    call = f"encoded.{source.output}" if source.output else own
    return f"{call}[None]" if source.batched else call


PYTHON = Language(
    name="python",
    files={"wrapper.py.j2": "{snake}.py", "golden.py.j2": "golden_{snake}.py"},
    types={"picture": "Picture", "sound": "Array", "text": "str", "tensor": "Array"},
    indent=4,
    string=_string,
    identifier=snake,
    constant=lambda name: snake(name).upper(),
    declaration="{name}: {type}",
    reserved=reserved(" ".join(keyword.kwlist)),
    image=_options,
    audio=_options,
    wordpiece=_wordpiece,
    made=_made,
    explodes=True,
)

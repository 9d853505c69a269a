"""A wrapper's files in a language, from its templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeship.toolchain.artifact import ImageInput, Tensor
from edgeship.toolchain.codegen import samples
from edgeship.toolchain.codegen.cpp import CPP
from edgeship.toolchain.codegen.kotlin import KOTLIN
from edgeship.toolchain.codegen.languages import Language
from edgeship.toolchain.codegen.names import snake
from edgeship.toolchain.codegen.python import PYTHON
from edgeship.toolchain.codegen.swift import SWIFT
from edgeship.toolchain.codegen.wrapper import Wrapper
from edgeship.toolchain.errors import RecipeError

LANGUAGES = {language.name: language for language in (PYTHON, CPP, KOTLIN, SWIFT)}


def render(wrapper: Wrapper, language: Language) -> dict[str, str]:
    """The files' contents by name."""
    import jinja2

    _check(wrapper, language)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates" / language.name),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "name": language.name_of,
        "literal": language.string,
        "constant": language.constant_of,
        "shape": shape_of,
        "listed": language.listed,
        "said": picture_said,
        "image": language.image,
        "audio": language.audio,
        "wordpiece": language.wordpiece,
        "snake": snake,
    }
    values: dict[str, Any] = {
        "w": wrapper,
        "sample": samples,
        "parameters": [
            language.declaration.format(name=language.name_of(one.name), type=language.types[one.kind])
            for one in wrapper.parameters
        ],
        "named": [f"{language.answer}{language.name_of(output.name)}" for output in wrapper.outputs],
        "made": [language.made(source, language) for source in wrapper.sources],
        "pictures": [one for one in wrapper.parameters if one.kind == "picture"],
        "sounds": [one for one in wrapper.parameters if one.kind == "sound"],
        "takes": [source.tensor for source in wrapper.sources],
        "place": [output.name for output in wrapper.outputs].index(wrapper.scores) if wrapper.scores else None,
    }
    names = {"snake": snake(wrapper.name), "Camel": wrapper.name}
    return {
        file.format(**names): environment.get_template(template).render(values)
        for template, file in language.files.items()
    }


def _check(wrapper: Wrapper, language: Language) -> None:
    """RecipeError for two inputs or two outputs that this language would call the same."""
    for names in ([one.name for one in wrapper.parameters], [one.name for one in wrapper.outputs]):
        there: dict[str, str] = {}
        for name in names:
            found = language.name_of(name)
            if found in there:
                raise RecipeError(f"{there[found]} and {name}: are both {found} in {language.name}", "rename one")
            there[found] = name


def shape_of(tensor: Tensor) -> str:
    """float32 [1, 3, height, width]."""
    return f"{tensor.dtype} [{', '.join(map(str, tensor.shape))}]"


def picture_said(picture: ImageInput) -> str:
    """A picture's way in one clause."""
    if isinstance(picture.resize, int):
        sized = f"its shorter side made {picture.resize}"
    else:
        sized = f"made {picture.resize[0]} × {picture.resize[1]}" if picture.resize else "in its own size"
    cut = f", cut to {picture.crop[0]} × {picture.crop[1]}" if picture.crop else ""
    return f"{sized}{cut}, {picture.colour}"

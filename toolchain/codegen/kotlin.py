"""Wrappers in Kotlin, on apps/android/core."""

from __future__ import annotations

from edgeship.toolchain.artifact import AudioInput, ImageInput, WordPiece
from edgeship.toolchain.codegen.languages import Language, image_fields, quoted, written
from edgeship.toolchain.codegen.names import camel, reserved, snake
from edgeship.toolchain.codegen.wrapper import Source

KEYWORDS = (
    "as break class continue do else false for fun if in interface is null object package return super this throw "
    "true try typealias typeof val var when while"
)


def _string(text: str) -> str:
    return quoted(text, {"$": "\\$"}, _utf16)


def _utf16(one: str) -> str:
    units = one.encode("utf-16-be").hex()
    return "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))


def _numbers(values: tuple[float, ...]) -> str:
    return f"listOf({', '.join(map(repr, values))})"


def _size(size: tuple[int, int]) -> str:
    return f"Size({size[0]}, {size[1]})"


def _image(said: ImageInput) -> list[str]:
    return image_fields(
        said,
        {
            "shorter": lambda side: f"resize = Resize.Shorter({side})",
            "to": lambda size: f"resize = Resize.To({_size(size)})",
            "crop": lambda size: f"crop = {_size(size)}",
            "interpolation": lambda name: f"interpolation = Interpolation.{name.upper()}",
            "colour": lambda name: f"colour = Colour.{name.upper()}",
            "scale": lambda value: f"scale = {value!r}",
            "mean": lambda values: f"mean = {_numbers(values)}",
            "std": lambda values: f"std = {_numbers(values)}",
            "layout": lambda name: f"layout = Layout.{name.upper()}",
        },
    )


def _audio(said: AudioInput) -> list[str]:
    fields = [f"sampleRateHz = {said.sample_rate_hz}", f"frame = {said.frame}", f"scale = {said.scale!r}"]
    return [*fields, f"centre = {written(said.centre)}", f"level = {written(said.level)}"]


def _wordpiece(said: WordPiece) -> list[str]:
    texts = [_string(text) for text in (said.unknown, said.start, said.end, said.padding, said.continuation)]
    return [*texts, str(said.longest_word), f"listOf({', '.join(map(_string, said.special))})"]


def _made(source: Source, language: Language) -> str:
    name, constant = language.name_of(source.parameter.name), language.constant_of(source.tensor.name)
    if source.parameter.kind == "tensor":
        return name
    own = f"{constant}.{source.parameter.method}({name})"
    call = f"encoded.output({_string(source.output)})" if source.output else own
    return f"batched({call})" if source.batched else call


KOTLIN = Language(
    name="kotlin",
    files={"Wrapper.kt.j2": "{Camel}.kt", "Golden.kt.j2": "{Camel}Golden.kt"},
    types={"picture": "Picture", "sound": "FloatArray", "text": "String", "tensor": "Tensor"},
    indent=4,
    string=_string,
    identifier=camel,
    constant=lambda name: snake(name).upper(),
    declaration="{name}: {type}",
    reserved=reserved(KEYWORDS),
    image=_image,
    audio=_audio,
    wordpiece=_wordpiece,
    made=_made,
)

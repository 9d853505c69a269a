"""Wrappers in Swift, on apps/ios/BenchCore."""

from __future__ import annotations

from edgeship.toolchain.artifact import AudioInput, ImageInput, WordPiece
from edgeship.toolchain.codegen.languages import Language, image_fields, quoted, written
from edgeship.toolchain.codegen.names import camel, reserved
from edgeship.toolchain.codegen.wrapper import Source

KEYWORDS = (
    "as associatedtype break case catch class continue default defer deinit do else enum extension fallthrough "
    "false for func guard if import in init inout internal is let nil operator private protocol public repeat "
    "rethrows return self static struct subscript super switch throw throws true try typealias var where while "
)
OUTPUTS = {"input_ids": "inputIDs", "attention_mask": "attentionMask", "token_type_ids": "tokenTypeIDs"}


def _string(text: str) -> str:
    return quoted(text, {}, lambda one: f"\\u{{{ord(one):x}}}")


def _size(size: tuple[int, int]) -> str:
    return f"Size(height: {size[0]}, width: {size[1]})"


def _floats(values: tuple[float, ...]) -> str:
    return f"[{', '.join(map(_float, values))}]"


def _float(value: float) -> str:
    return f"Float({value!r} as Double)"


def _image(said: ImageInput) -> list[str]:
    return image_fields(
        said,
        {
            "shorter": lambda side: f"resize: .shorter({side})",
            "to": lambda size: f"resize: .to({_size(size)})",
            "crop": lambda size: f"crop: {_size(size)}",
            "interpolation": lambda name: f"interpolation: .{name}",
            "colour": lambda name: f"colour: .{name}",
            "scale": lambda value: f"scale: {_float(value)}",
            "mean": lambda values: f"mean: {_floats(values)}",
            "std": lambda values: f"std: {_floats(values)}",
            "layout": lambda name: f"layout: .{name}",
        },
    )


def _audio(said: AudioInput) -> list[str]:
    fields = [f"sampleRateHz: {said.sample_rate_hz}", f"frame: {said.frame}", f"scale: {said.scale!r}"]
    return [*fields, f"centre: {written(said.centre)}", f"level: {written(said.level)}"]


def _wordpiece(said: WordPiece) -> list[str]:
    names = {name: getattr(said, name) for name in ("unknown", "start", "end", "padding", "continuation")}
    special = ", ".join(map(_string, said.special))
    texts = [f"{name}: {_string(text)}" for name, text in names.items()]
    return [*texts, f"longestWord: {said.longest_word}", f"special: [{special}]"]


def _made(source: Source, language: Language) -> str:
    name = language.name_of(source.parameter.name)
    constant = language.constant_of(source.tensor.name)
    batch = "[1] + " if source.batched else ""
    if source.parameter.kind == "tensor":
        return name
    if source.output:
        length = getattr(source.parameter.said, "max_length", 0)
        return f"try Tensor(encoded.{OUTPUTS[source.output]}, {f'[1, {length}]' if source.batched else f'[{length}]'})"
    if source.parameter.kind == "sound":
        return f"try Tensor(Self.{constant}.apply({name}), {batch}[Self.{constant}.frame])"
    made = f"{constant}.{source.parameter.method}({name})"
    return f"try Self.tensor(Self.{made}{', batched: true' if source.batched else ''})"


SWIFT = Language(
    name="swift",
    files={"Wrapper.swift.j2": "{Camel}.swift", "Golden.swift.j2": "{Camel}Golden.swift"},
    types={"picture": "Picture", "sound": "[Float]", "text": "String", "tensor": "Tensor"},
    indent=4,
    string=_string,
    identifier=camel,
    constant=lambda name: f"{camel(name)}Input",
    declaration="{name}: {type}",
    reserved=reserved(KEYWORDS),
    image=_image,
    audio=_audio,
    wordpiece=_wordpiece,
    made=_made,
    trailing="",
)

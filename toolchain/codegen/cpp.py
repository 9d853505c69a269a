"""Wrappers in C++17."""

from __future__ import annotations

from edgeship.toolchain.artifact import AudioInput, ImageInput, WordPiece
from edgeship.toolchain.codegen.languages import Language, image_fields, quoted, written
from edgeship.toolchain.codegen.names import reserved, snake
from edgeship.toolchain.codegen.wrapper import Source

KEYWORDS = (
    "alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t char8_t class compl "
    "concept const const_cast consteval constexpr constinit continue co_await co_return co_yield decltype default "
    "delete do double dynamic_cast else enum explicit export extern false float for friend goto if inline int long "
    "mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected public register "
    "reinterpret_cast requires return short signed sizeof static static_assert static_cast struct switch template this "
    "thread_local throw true try typedef typeid typename union unsigned using virtual void volatile wchar_t while xor "
    "xor_eq"
)


def _string(text: str) -> str:
    return quoted(text, {"?": "\\?"}, _octal)  # no trigraphs


def _octal(one: str) -> str:
    """UTF-8, byte by byte: three digits end by themselves."""
    return "".join(f"\\{byte:03o}" for byte in one.encode())


def _numbers(values: tuple[float, ...] | tuple[int, ...]) -> str:
    return f"{{{', '.join(map(repr, values))}}}"


def _image(said: ImageInput) -> list[str]:
    return image_fields(
        said,
        {
            "shorter": lambda side: f"shorter_side = {side}",
            "to": lambda size: f"size = {_numbers(size)}",
            "crop": lambda size: f"crop = {_numbers(size)}",
            "interpolation": lambda name: f"interpolation = {_string(name)}",
            "colour": lambda name: f"colour = {_string(name)}",
            "scale": lambda value: f"scale = {value!r}",
            "mean": lambda values: f"mean = {_numbers(values)}",
            "std": lambda values: f"std = {_numbers(values)}",
            "layout": lambda name: f"layout = {_string(name)}",
        },
    )


def _audio(said: AudioInput) -> list[str]:
    return [str(said.sample_rate_hz), str(said.frame), repr(said.scale), written(said.centre), written(said.level)]


def _wordpiece(said: WordPiece) -> list[str]:
    texts = [_string(text) for text in (said.unknown, said.start, said.end, said.padding, said.continuation)]
    return [*texts, str(said.longest_word), f"{{{', '.join(map(_string, said.special))}}}"]


def _made(source: Source, language: Language) -> str:
    name = language.name_of(source.parameter.name)
    if source.parameter.kind == "tensor":
        return name
    if not source.output:
        call = f"{language.constant_of(source.tensor.name)}().{source.parameter.method}({name})"
        return f"{call}.batched()" if source.batched else call
    length = getattr(source.parameter.said, "max_length", 0)
    shape = f"{{1, {length}}}" if source.batched else f"{{{length}}}"
    return f'edgeship::Tensor::of("int64", {shape}, encoded.{source.output})'


CPP = Language(
    name="cpp",
    files={"wrapper.hpp.j2": "{snake}.hpp", "golden.cpp.j2": "golden_{snake}.cpp"},
    types={
        "picture": "const edgeship::Picture&",
        "sound": "const std::vector<float>&",
        "text": "const std::string&",
        "tensor": "const edgeship::Tensor&",
    },
    indent=4,
    string=_string,
    identifier=snake,
    constant=lambda name: f"{snake(name)}_input",
    declaration="{type} {name}",
    reserved=reserved(KEYWORDS) - {"model", "tokenizer"},  # with _ they are members
    image=_image,
    audio=_audio,
    wordpiece=_wordpiece,
    made=_made,
    answer="&answer.",
    trailing="",
)

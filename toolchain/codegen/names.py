"""Names in code: how they are written, which of a manifest may stand there and as files, what a class may be called."""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Iterable

from edgeship.apps.board.names import is_plain
from edgeship.toolchain.bundle.manifest import Manifest
from edgeship.toolchain.errors import RecipeError

UNSAFE = ('"', "'", "\\", "`", "*/", "/*")
"""What ends a comment or a text, or begins another, in one of the languages."""
CLASSES = (
    "Any Array Artifact AudioInput AutoCloseable Boolean ByteArray ByteBuffer ByteOrder Bool Colour Data Double ENGINE "
    "EOF Encoded Engine Error FILE File Float FloatArray Golden ImageInput Int Int64 Interpolation Layout List Long "
    "LongArray Model NULL Nothing Path Picture Pixels Resize SAMPLES Score Self Sendable Sequence Size String Tensor "
    "Type URL Unit Values Verified WordPiece WordPieceSettings WrongFile"
)
"""What the templates use, or the languages have themselves."""
MODULES = (
    "ai_edge_litert board cryptography edgeship edgeship_contract executorch flatbuffers golden numpy onnxruntime torch"
)
"""What a wrapper in Python stands on, beside the standard library."""


TAKEN = (
    "LABELS SAMPLES TOLERANCE WORDPIECE artifact batched best close encoded floats folder inputs k labels model open "
    "outputs predict run self softmax tensor tokenizer top_k topK values"
)
"""What templates call something beside inputs and outputs."""


def reserved(keywords: str) -> frozenset[str]:
    """Names that no input or output has in a language."""
    return frozenset((*keywords.split(), *TAKEN.split()))


def snake(text: str) -> str:
    """input_ids of input.ids and InputIds."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text)
    return re.sub("[^A-Za-z0-9]+", "_", parted).strip("_").lower()


def camel(text: str) -> str:
    """inputIds of input_ids."""
    first, *rest = snake(text).split("_")
    return first + "".join(part.capitalize() for part in rest)


def check_names(manifest: Manifest) -> None:
    """RecipeError for a name that would be read as code, or a text that not every language can hold."""
    tensors = [tensor for one in manifest.artifacts for tensor in (*one.inputs, *one.outputs)]
    dimensions = [size for tensor in tensors for size in tensor.shape if isinstance(size, str)]
    names = [manifest.name, *(one.runtime.name for one in manifest.artifacts), *dimensions]
    for name in [*names, *(text for tensor in tensors for text in (tensor.name, tensor.dtype))]:
        if not name or not name.isprintable() or any(part in name for part in UNSAFE):
            raise RecipeError(
                f"{name!r}: cannot stand in code",
                "name it without quotes, backslashes, control characters and marks of comments",
            )
    if wrong := [text for text in manifest.contract.labels if re.search("[\0\ud800-\udfff]", text)]:
        raise RecipeError(f"{wrong[0]!r}: no label of text alone", "leave NUL and halves of characters out")


def check_files(names: Iterable[str]) -> None:
    """RecipeError for an input after which no file can be called."""
    for name in names:
        if "/" in name or not is_plain(name):
            raise RecipeError(f"{name}: no file can be called so, as its golden samples are", "rename the input")


def check_class(name: str) -> None:
    """RecipeError for what cannot be a class, or would hide something that wrappers stand on."""
    module = snake(name)
    taken = name in CLASSES.split() or module in MODULES.split()
    if not re.fullmatch("[A-Z][A-Za-z0-9]*", name):
        raise RecipeError(f"{name}: cannot be a class's name", "name it: --name Digits")
    if taken or module in sys.stdlib_module_names or keyword.iskeyword(module):
        raise RecipeError(f"{name}: is the name of something that wrappers stand on", "name it: --name Digits")

"""Pictures, sound and texts of a golden test, and the numbers that Python makes of them."""

from __future__ import annotations

import numpy as np

from edgeship.apps.linux.python import edgeship_contract as reference
from edgeship.toolchain.artifact import AudioInput, ImageInput, TextInput
from edgeship.toolchain.codegen.wrapper import Parameter, Wrapper

WIDTH, HEIGHT, STRIDE, ORIENTATION = 157, 83, 4 * 157 + 12, 6
"""Of the picture: odd, with rows longer than their pixels, turned."""
TEXTS = (
    "Where is the nearest station?",
    "  Žluťoučký KŮŇ, naïve café — Ångström!  ",
    "東京は日本の首都です。한국어 텍스트",
    "İstanbul ΣΊΣΥΦΟΣ ﬁnancial Straße",
    "e\u0301\u0323 a\u0327\u0301 क्षि ไทย",
    "emoji 😀👩\u200d👧 and [MASK] in [SEP] text",
    "\u200btabs\tand\u00a0spaces\u3000",
    f"{'x' * 101} {'unbelievably ' * 40}",
    "",
)


def samples(wrapper: Wrapper, contract: dict[str, bytes]) -> dict[str, bytes]:
    """Files of the golden test by name: NAME.rgba, .samples, .txt as apps have it, and NAME.expected, little-endian.

    `contract` are the contents of the files that the contract names.
    """
    found: dict[str, bytes] = {}
    for parameter in wrapper.parameters:
        found |= _samples(parameter, contract)
    return found


def _samples(parameter: Parameter, contract: dict[str, bytes]) -> dict[str, bytes]:
    rng, said, name = np.random.default_rng(0), parameter.said, parameter.name
    if isinstance(said, ImageInput):
        rgba = _picture(rng)
        picture = reference.Picture(rgba, WIDTH, HEIGHT, STRIDE, ORIENTATION)
        declared = reference.ImageInput.of(said.model_dump(mode="json"))
        values = declared.bytes(picture) if parameter.method == "bytes" else declared.apply(picture).astype("<f4")
        return {f"{name}.rgba": rgba, f"{name}.expected": values.tobytes()}
    if isinstance(said, AudioInput):
        samples = rng.normal(0.05, 0.2, said.frame).astype("<f4")
        values = reference.AudioInput(**said.model_dump()).apply(samples)
        return {f"{name}.samples": samples.tobytes(), f"{name}.expected": values.astype("<f4").tobytes()}
    if isinstance(said, TextInput) and said.wordpiece is not None:
        vocabulary, characters = (contract[path] for path in (said.wordpiece.vocabulary, said.wordpiece.characters))
        tokenizer = reference.WordPiece(vocabulary, characters, said.wordpiece.model_dump())
        encoded = [np.stack(tokenizer.encode(text, max_length=said.max_length)) for text in TEXTS]
        lines = "".join(f"{text}\n" for text in TEXTS)
        return {f"{name}.txt": lines.encode(), f"{name}.expected": np.stack(encoded).astype("<i8").tobytes()}
    return {}


def _picture(rng: np.random.Generator) -> bytes:
    """Waves of colour with some noise."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    waves = [127 + 127 * np.sin(rows / (5 + channel) + columns / (9 - channel)) for channel in range(4)]
    pixels = np.stack(waves, axis=-1) + rng.integers(-20, 20, (HEIGHT, WIDTH, 4))
    padded = np.zeros((HEIGHT, STRIDE), np.uint8)
    padded[:, : 4 * WIDTH] = pixels.clip(0, 255).astype(np.uint8).reshape(HEIGHT, -1)
    return padded.tobytes()

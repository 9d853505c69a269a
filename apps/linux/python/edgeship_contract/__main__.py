"""Answers conformance cases: `python -m edgeship_contract CASES.jsonl OUT`, as docs/codegen.md says."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .audio_input import AudioInput
from .image_input import ImageInput
from .picture import Picture
from .resize import resize
from .scores import softmax, top_k
from .wordpiece import WordPiece


def main(cases: Path, out: Path) -> None:
    """One JSON line per case; answers below `out`."""
    for number, line in enumerate(cases.read_text(encoding="utf-8").splitlines()):
        case, error = json.loads(line), None
        try:
            answer = _ANSWERS[case["kind"]](case, cases.parent)
            place = out / case["out"]
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(answer.astype(answer.dtype.newbyteorder("<")).tobytes())
        except (ValueError, KeyError, OSError) as problem:
            error = f"{type(problem).__name__}: {problem}"
        print(json.dumps({"case": number, "error": error}), flush=True)


def _resize(case: dict[str, Any], folder: Path) -> NDArray[Any]:
    height, width = case["size"]
    return resize(_picture(case, folder).pixels(case["colour"] == "grey"), height, width, case["filter"])


def _image(case: dict[str, Any], folder: Path) -> NDArray[Any]:
    return ImageInput.of(case["input"]).apply(_picture(case, folder))


def _bytes(case: dict[str, Any], folder: Path) -> NDArray[Any]:
    return ImageInput.of(case["input"]).bytes(_picture(case, folder))


def _text(case: dict[str, Any], folder: Path) -> NDArray[Any]:
    vocabulary, characters = ((folder / case[name]).read_bytes() for name in ("vocabulary", "characters"))
    tokenizer = WordPiece(vocabulary, characters, case["settings"])
    lines = [json.loads(line) for line in (folder / case["lines"]).read_text(encoding="utf-8").split("\n") if line]
    texts = [(line,) if isinstance(line, str) else line for line in lines]
    return np.concatenate([np.stack(tokenizer.encode(*text, max_length=case["max_length"])) for text in texts])


def _sound(case: dict[str, Any], folder: Path) -> NDArray[Any]:
    return AudioInput(**case["input"]).apply(_values(case, folder))


def _softmax(case: dict[str, Any], folder: Path) -> NDArray[Any]:
    return softmax(_values(case, folder))


def _top_k(case: dict[str, Any], folder: Path) -> NDArray[Any]:
    return np.array([index for _, index, _ in top_k(_values(case, folder), case["k"])], np.int32)


def _values(case: dict[str, Any], folder: Path) -> NDArray[np.float32]:
    return np.fromfile(folder / case["values"], "<f4")


def _picture(case: dict[str, Any], folder: Path) -> Picture:
    rgba = (folder / case["picture"]).read_bytes()
    return Picture(rgba, case["width"], case["height"], case["stride"], case["orientation"])


_ANSWERS = {
    "resize": _resize,
    "image": _image,
    "bytes": _bytes,
    "text": _text,
    "sound": _sound,
    "softmax": _softmax,
    "top_k": _top_k,
}

if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

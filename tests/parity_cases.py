"""Conformance cases of the contract's libraries, and what Pillow, transformers and numpy answer to them.

`python tests/parity_cases.py FOLDER` writes cases.jsonl with the files that it names, and what is expected below
expected/. `python tests/parity_cases.py FOLDER --compare ANSWERS` counts a library's answers that are equal.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from edgeship.calibration.preprocess import Preprocess
from edgeship.calibration.wordpiece import wordpiece

ROOT = Path(__file__).resolve().parent.parent
FILTERS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
SIZES = (
    # height, width → height, width; odd, tiny, thin, much smaller, much larger
    ((1, 1), (5, 3)), ((3, 5), (7, 1)), ((7, 3), (3, 9)), ((17, 31), (33, 15)), ((33, 9), (9, 33)), ((1, 65), (3, 129)),
    ((127, 1), (63, 1)), ((63, 127), (63, 31)), ((99, 55), (21, 17)), ((121, 97), (45, 59)), ((301, 199), (13, 17)),
    ((23, 29), (231, 317)),
)  # fmt: skip
INPUTS: tuple[dict[str, Any], ...] = (
    {"resize": [32, 32], "colour": "grey"},
    {"resize": 27, "crop": [25, 23], "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
    {"resize": 19, "interpolation": "bicubic", "crop": [31, 17], "scale": 1.0, "mean": [127.5], "std": [127.5]},
    {"crop": [15, 14], "colour": "bgr", "scale": 1.0, "mean": [103.939, 116.779, 123.68]},
    {"resize": [21, 45], "interpolation": "lanczos", "layout": "hwc", "mean": [0.5], "std": [0.25]},
    {"resize": [9, 9], "interpolation": "nearest", "colour": "bgr", "layout": "hwc"},
    {"resize": 13, "interpolation": "hamming", "colour": "grey", "mean": [0.1307], "std": [0.3081]},
    {"resize": 8, "interpolation": "box", "crop": [8, 8], "std": [0.2, 0.3, 0.4]},
    {},
)
TEXTS, PAIRS, LENGTH = 2000, 200, 48
CASED = {"lowercase": False, "strip_accents": None, "handle_chinese_chars": True, "clean_text": True}
ODD = {"lowercase": True, "strip_accents": False, "handle_chinese_chars": False, "clean_text": False}
TOLERANCE = 1e-6
"""Of sound and of a softmax, and of large numbers relative; everything else is equal."""


@dataclass(frozen=True)
class Writer:
    """Puts cases and what is expected into a folder."""

    folder: Path

    def write(self) -> None:
        """Everything anew."""
        self.folder.mkdir(parents=True, exist_ok=True)
        cases = [*self._resizes(), *self._images(), *self._texts(), *self._sounds(), *self._scores()]
        for case, expected in cases:
            self._put(f"expected/{case['out']}", expected)
        lines = (json.dumps(case) for case, _ in cases)
        (self.folder / "cases.jsonl").write_text("".join(f"{line}\n" for line in lines))

    def _resizes(self) -> Any:
        for number, (size, wanted) in enumerate(SIZES):
            for orientation in range(1, 9):
                picture, image = self._picture(number, size, orientation)
                for each, name in enumerate(FILTERS):
                    colour = ("rgb", "grey")[(number + orientation + each) % 2]
                    upright = ImageOps.exif_transpose(image).convert("L" if colour == "grey" else "RGB")
                    resized = upright.resize(wanted[::-1], Image.Resampling[name.upper()])
                    about = {"size": wanted, "filter": name, "colour": colour}
                    out = f"resize/{number}-{orientation}-{name}"
                    yield {"kind": "resize", **picture, **about, "out": out}, np.asarray(resized)

    def _images(self) -> Any:
        for number, (size, _) in enumerate(SIZES):
            for orientation in range(1, 9):
                picture, image = self._picture(number, size, orientation)
                declared = Preprocess.model_validate(INPUTS[(number + 5 * orientation) % len(INPUTS)])
                expected = declared.apply(ImageOps.exif_transpose(image))
                about = declared.declared.model_dump(mode="json", exclude_none=True)
                yield {"kind": "image", **picture, "input": about, "out": f"image/{number}-{orientation}"}, expected
                plain = {"scale": 1.0, "mean": (0.0,), "std": (1.0,), "layout": "hwc"}
                stored = declared.model_copy(update=plain).apply(ImageOps.exif_transpose(image)).astype(np.uint8)
                yield {"kind": "bytes", **picture, "input": about, "out": f"bytes/{number}-{orientation}"}, stored

    def _picture(self, number: int, size: tuple[int, int], orientation: int) -> tuple[dict[str, Any], Image.Image]:
        """A picture as a case and as Pillow have it; some rows are longer than their pixels."""
        height, width = size
        rng = np.random.default_rng(number)
        coarse = Image.fromarray(rng.integers(0, 256, (5, 4, 4), np.uint8), "RGBA")
        noise = rng.integers(0, 256, (height, width, 4), np.uint8)
        smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
        pixels = np.where(rng.random((height, width, 1)) < 0.3, noise, smooth)
        stride = 4 * width + 12 * (number % 2)
        rows = np.full((height, stride), 0xA5, np.uint8)
        rows[:, : 4 * width] = pixels.reshape(height, -1)
        self._put(f"pictures/{number}.rgba", rows)
        image = Image.fromarray(pixels, "RGBA")
        image.getexif()[0x0112] = orientation
        about = {"picture": f"pictures/{number}.rgba", "width": width, "height": height, "stride": stride}
        return {**about, "orientation": orientation}, image

    def _texts(self) -> Any:
        yield self._text("text", uncased(), [fuzzed(seed) for seed in range(TEXTS)])
        yield self._text("pairs", uncased(), [(fuzzed(2 * seed), fuzzed(2 * seed + 1)) for seed in range(PAIRS)])
        yield self._text("cased", trained(CASED), [fuzzed(seed) for seed in range(PAIRS)])
        yield self._text("odd", trained(ODD), [fuzzed(seed) for seed in range(PAIRS)])

    def _text(self, name: str, tokenizer: Any, texts: list[Any]) -> tuple[dict[str, Any], NDArray[Any]]:
        found = wordpiece(tokenizer)
        assert found is not None
        settings, files = found
        for path, content in files.items():
            self._put(f"{name}/{path}", np.frombuffer(content, np.uint8))
        lines = "".join(f"{json.dumps(text)}\n" for text in texts).encode()
        self._put(f"{name}/lines", np.frombuffer(lines, np.uint8))
        firsts = [text if isinstance(text, str) else text[0] for text in texts]
        seconds = None if isinstance(texts[0], str) else [text[1] for text in texts]
        options: dict[str, Any] = {"padding": "max_length", "truncation": True, "return_token_type_ids": True}
        tokens = tokenizer(firsts, seconds, max_length=LENGTH, return_tensors="np", **options)
        expected = np.stack([tokens[key] for key in ("input_ids", "attention_mask", "token_type_ids")], axis=1)
        case = {
            "kind": "text", "lines": f"{name}/lines", "vocabulary": f"{name}/{settings.vocabulary}",
            "characters": f"{name}/{settings.characters}", "settings": settings.model_dump(mode="json"),
            "max_length": LENGTH, "out": f"{name}/answers",
        }  # fmt: skip
        return case, expected.astype(np.int64)

    def _sounds(self) -> Any:
        rng = np.random.default_rng(0)
        inputs: tuple[dict[str, Any], ...] = ({}, {"scale": 32768.0}, {"centre": True}, {"centre": True, "level": True})
        for number, about in enumerate(inputs):
            for frame in (1, 400, 1024):
                samples = (rng.normal(0.02, 0.1, frame)).astype(np.float32)
                samples = np.zeros_like(samples) if frame == 1 else samples  # silence
                self._put(f"sounds/{number}-{frame}", samples)
                values = samples.astype(np.float64) * about.get("scale", 1.0)
                values = values - values.mean() if about.get("centre") else values
                values = values / max(1e-10, values.std()) if about.get("level") else values
                said = {"sample_rate_hz": 16000, "frame": frame, **about}
                case = {"kind": "sound", "values": f"sounds/{number}-{frame}", "input": said}
                yield {**case, "out": f"sound/{number}-{frame}"}, values.astype(np.float32)

    def _scores(self) -> Any:
        rng = np.random.default_rng(0)
        many = [rng.normal(0, spread, count) for spread, count in ((1, 10), (30, 1000), (0.01, 7), (5, 1))]
        ties = [np.zeros(9), np.array([3, 1, 3, 3, -2, 1]), np.array([1000.0, -1000, 999.5]), np.array([-90.0, -91])]
        ties.append(np.array([-1, -0.0, 0.0, -0.0, 0.0, -2]))  # zeros are equal
        for number, values in enumerate([*many, *ties]):
            values = values.astype(np.float32)
            self._put(f"values/{number}", values)
            powers = np.exp(values.astype(np.float64) - values.max())
            common = {"values": f"values/{number}"}
            yield {"kind": "softmax", **common, "out": f"softmax/{number}"}, (powers / powers.sum()).astype(np.float32)
            for k in (1, 5):
                best = sorted(range(len(values)), key=lambda index: (-values[index], index))[:k]
                yield {"kind": "top_k", **common, "k": k, "out": f"top_k/{number}-{k}"}, np.array(best, np.int32)

    def _put(self, name: str, values: NDArray[Any]) -> None:
        place = self.folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(values.astype(values.dtype.newbyteorder("<")).tobytes())


def uncased() -> Any:
    """MiniLM's tokenizer where `make weights` brought it, else one of the same kind with a vocabulary made here."""
    from transformers import AutoTokenizer

    folder = ROOT / "examples/minilm/weights"
    if not (folder / "tokenizer.json").is_file():
        return trained({"lowercase": True, "strip_accents": None, "handle_chinese_chars": True, "clean_text": True})
    return AutoTokenizer.from_pretrained(str(folder), local_files_only=True)


def trained(options: dict[str, Any]) -> Any:
    """A BERT tokenizer whose vocabulary is learnt from fuzzed lines."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(**options)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    words = [fuzzed(seed) for seed in range(1000)]
    tokenizer.train_from_iterator(words, trainers.WordPieceTrainer(vocab_size=3000, special_tokens=special))
    sep, cls = (("[SEP]", tokenizer.token_to_id("[SEP]")), ("[CLS]", tokenizer.token_to_id("[CLS]")))
    tokenizer.post_processor = processors.BertProcessing(sep, cls)
    names = {"unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "pad": "[PAD]", "mask": "[MASK]"}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, **{f"{name}_token": token for name, token in names.items()}
    )


PLAIN = (
    "the",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "lazy",
    "unbelievably",
    "tokenizes",
    "embeddings",
    "smartphone",
)
FOREIGN = (
    "Ångström",
    "ÉCOLE",
    "naïve",
    "Straße",
    "İstanbul",
    "ΣΊΣΥΦΟΣ",
    "ﬁnancial",
    "Ǆ",
    "Žluťoučký",
    "Đặng",
    "й",
    "ё",
)
CHARACTERS = (
    "中文字符漢字かなカナ한국어각힣ㄱ",
    "עִבְרִית العَرَبِيَّة हिन्दी ไทย தமிழ் བོད་",
    "😀👩\u200d👩\u200d👧🏳\ufe0f❤\ufe0f🇩🇪",
    "\u0301\u0327\u0323\u0334\u0345\u05bc\u064b\u3099",
    "\x00\x01\x07\x0b\x0c\x1b\x7f\x85\u200b\u200d\u200e\u202e\ufeff\ufffd",
    " \t\n\r\u00a0\u2003\u2028\u3000",
    ".,;:!?¿¡…—–«»「」、。$+<=>^`|~€£",
    "\U0001d165\U0001d16d\U0001d172\u302e\u302f",
    "豈更車\U0002f800\U0002fa1d\U00020000\U0002b740",
    "０１２ＡＢＣｱｲｳ①②Ⅳ²½",
    "\ue000\U000f0000\u0378\uffff",
)
SPECIAL = ("[MASK]", "[SEP]", "[CLS]", "[mask]", "[UNK]", "[PAD]", "##ing", "[SEP")


def fuzzed(seed: int) -> str:
    """A line that a user might type, and some that nobody would."""
    rng = random.Random(seed)
    return rng.choice(("", " ")).join(_piece(rng) for _ in range(rng.randrange(24)))


def _piece(rng: random.Random) -> str:
    kind = rng.randrange(10)
    if kind < 3:
        word = rng.choice(PLAIN)
        return rng.choice((word, word.upper(), word.title(), f"{word}, ", f" {word}"))
    if kind == 3:
        return rng.choice(FOREIGN)
    if kind == 4:
        return "".join(rng.choices(rng.choice(CHARACTERS), k=rng.randrange(1, 6)))
    if kind == 5:
        marks = rng.choices(range(0x300, 0x370), k=rng.randrange(1, 5))
        return rng.choice("aeiouAEION中가") + "".join(map(chr, marks))
    if kind == 6:
        return rng.choice(PLAIN)[:1] * rng.choice((2, 99, 100, 101, 150))
    if kind == 7:
        return rng.choice(SPECIAL)
    return "".join(chr(_code(rng)) for _ in range(rng.randrange(1, 5)))


def _code(rng: random.Random) -> int:
    last = rng.choice((0x250, 0x600, 0x3000, 0xD800, 0x20000, 0x110000))
    code = rng.randrange(last)
    return code if not 0xD800 <= code < 0xE000 else code - 0x800


@dataclass(frozen=True)
class Compared:
    """Of a folder's answers: how many were asked, how many are equal, by kind; texts are counted by line."""

    asked: Counter[str]
    equal: Counter[str]
    wrong: tuple[str, ...]
    """The first answers that are not, by their `out`."""

    def __str__(self) -> str:
        return ", ".join(f"{kind} {self.equal[kind]} of {count}" for kind, count in self.asked.items())

    @cached_property
    def complete(self) -> bool:
        """Whether all are equal."""
        return self.asked == self.equal


def compare(folder: Path, answers: Path) -> Compared:
    """Count the answers below a folder that are those expected."""
    asked: Counter[str] = Counter()
    equal: Counter[str] = Counter()
    wrong = []
    for line in (folder / "cases.jsonl").read_text().splitlines():
        case = json.loads(line)
        name = case["out"].partition("/")[0]
        found = answers / case["out"]
        hits = _hits(
            case, (folder / "expected" / case["out"]).read_bytes(), found.read_bytes() if found.is_file() else b""
        )
        asked[name] += len(hits)
        equal[name] += int(hits.sum())
        wrong += [] if hits.all() else [f"{case['out']}{np.flatnonzero(~hits)[:5].tolist() if len(hits) > 1 else ''}"]
    return Compared(asked, equal, tuple(wrong[:10]))


def _hits(case: dict[str, Any], expected: bytes, found: bytes) -> NDArray[np.bool_]:
    """For each line of texts, else for the one answer, whether it is equal."""
    rows = 3 * case["max_length"] * 8 if case["kind"] == "text" else max(1, len(expected))
    count = max(1, len(expected) // rows)
    if len(found) != len(expected):
        return np.zeros(count, np.bool_)
    if case["kind"] in ("sound", "softmax"):
        ours, theirs = (np.frombuffer(data, "<f4") for data in (found, expected))
        return np.array([np.allclose(ours, theirs, rtol=TOLERANCE, atol=TOLERANCE)])
    ours, theirs = (np.frombuffer(data, np.uint8).reshape(count, -1) for data in (found, expected))
    return np.asarray((ours == theirs).all(axis=1))


def main() -> None:
    """Write the cases, or compare answers to them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--compare", type=Path, metavar="ANSWERS", help="a folder of answers")
    options = parser.parse_args()
    if options.compare is None:
        Writer(options.folder).write()
        return
    compared = compare(options.folder, options.compare)
    print(compared)
    if not compared.complete:
        raise SystemExit(f"different: {', '.join(compared.wrong)}")


if __name__ == "__main__":
    main()

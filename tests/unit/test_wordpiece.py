"""Which tokenizers can be plain data, and that the table of characters leaves none out."""

from __future__ import annotations

import random
from typing import Any

import pytest
from parity_cases import CASED, ODD, trained

from edgeship.apps.linux.python.edgeship_contract.characters import Characters
from edgeship.calibration.wordpiece import characters, wordpiece

pytestmark = pytest.mark.heavy

UNCASED = {"lowercase": True, "strip_accents": None, "handle_chinese_chars": True, "clean_text": True}


def library(options: dict[str, Any]) -> Any:
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer

    normalizer, parting = BertNormalizer(**options), BertPreTokenizer()
    return lambda text: [word for word, _ in parting.pre_tokenize_str(normalizer.normalize_str(text))]


def table(options: dict[str, Any]) -> Characters:
    strips = options["lowercase"] if options["strip_accents"] is None else options["strip_accents"]
    return Characters(characters(options["clean_text"], options["handle_chinese_chars"], strips, options["lowercase"]))


@pytest.mark.slow
@pytest.mark.parametrize("options", [UNCASED, CASED, ODD], ids=["uncased", "cased", "odd"])
def test_no_character_of_unicode_is_treated_otherwise(options: dict[str, Any]) -> None:
    ours, theirs = table(options), library(options)
    codes = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    blocks = [codes[at : at + 64] for at in range(0, len(codes), 64)]
    lines = [" a".join(map(chr, block)) for block in blocks]
    assert [hex(block[0]) for block, line in zip(blocks, lines, strict=True) if ours.words(line) != theirs(line)] == []


def test_marks_in_any_order_come_out_in_the_canonical_one() -> None:
    ours, theirs, rng = table(UNCASED), library(UNCASED), random.Random(0)
    marks = [*range(0x300, 0x370), *range(0x591, 0x5BE), *range(0x1D165, 0x1D173), 0x302E, 0x302F, 0x3099, 0xF71]
    for _ in range(2000):
        line = "".join(chr(rng.choice([*marks, 0x61, 0xAC01, 0xE9])) for _ in range(rng.randrange(12)))
        assert ours.words(line) == theirs(line), ascii(line)


def test_a_vocabulary_is_one_token_per_line() -> None:
    found = wordpiece(trained(UNCASED))
    assert found is not None
    settings, files = found
    tokens = files[settings.vocabulary].decode().split("\n")
    assert tokens[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert settings.special == tuple(tokens[:5])
    assert tokens[-1] == ""


@pytest.mark.parametrize(
    "change",
    [
        lambda tokenizer: setattr(tokenizer, "padding_side", "left"),
        lambda tokenizer: setattr(tokenizer.backend_tokenizer, "normalizer", None),
        lambda tokenizer: tokenizer.backend_tokenizer.add_special_tokens(["[NEW]"]),
        lambda tokenizer: setattr(tokenizer.backend_tokenizer, "post_processor", None),
    ],
    ids=["left", "normalizer", "added", "frame"],
)
def test_a_tokenizer_that_works_otherwise_is_no_wordpiece(change: Any) -> None:
    tokenizer = trained(CASED)
    change(tokenizer)
    assert wordpiece(tokenizer) is None


def test_a_tokenizer_without_a_fast_backend_is_no_wordpiece() -> None:
    assert wordpiece(object()) is None

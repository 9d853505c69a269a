"""A BERT tokenizer as plain data: what an app without the tokenizer's library needs to give the same ids."""

from __future__ import annotations

import json
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from edgeship.toolchain.api import WordPiece

HANGUL = range(0xAC00, 0xD7A4)
"""Syllables, which are taken apart by arithmetic: a table of them would be larger than all the rest."""
DENSE = (
    *(range(0xD800), range(0xE000, 0x20000)),  # surrogates, between them, stand in no text
    *(range(0x2A6C0, 0x2A700), range(0x2F800, 0x2FA20)),  # where ideographs end, and those for compatibility
    *(range(0xE0000, 0xE0200), range(0xFFFC0, 0x100000), range(0x10FFC0, 0x110000)),  # tags, the ends of two planes
)
"""Where any two neighbours may differ; what lies between these is long and even stretches."""
LAST, STEP = 0x10FFFF, 64
LOWEST_CLASS, HIGHEST_CLASS = "\u0334", "\u0345"
"""Combining marks of class 1 and 240: a canonical order moves every other class past one of them."""
Change = Callable[[str], str]


def wordpiece(tokenizer: Any) -> tuple[WordPiece, dict[str, bytes]] | None:
    """What a `transformers` tokenizer does as a WordPiece, and the files that it names by path.

    None for one that works in another way: not BERT's normalizer, not its way of parting words, ids with gaps.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return None
    about = json.loads(backend.to_str())
    model, added = about["model"], about["added_tokens"]
    vocabulary = sorted(model.get("vocab") or {}, key=lambda token: model["vocab"][token])
    special = {token["content"]: token for token in added}
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    if (
        (about["normalizer"] or {}).get("type") != "BertNormalizer"
        or (about["pre_tokenizer"] or {}).get("type") != "BertPreTokenizer"
        or model.get("type") != "WordPiece"
        or [model["vocab"][token] for token in vocabulary] != list(range(len(vocabulary)))
        or any("\n" in token for token in vocabulary)
        or any(model["vocab"].get(text) != token["id"] for text, token in special.items())
        or any(token | plain != token for token in added)
        or tokenizer.padding_side != "right"
        or tokenizer.truncation_side != "right"
        or not _frames(about["post_processor"], tokenizer)
    ):
        return None
    found = WordPiece(
        unknown=model["unk_token"],
        start=tokenizer.cls_token,
        end=tokenizer.sep_token,
        padding=tokenizer.pad_token,
        continuation=model["continuing_subword_prefix"],
        longest_word=model["max_input_chars_per_word"],
        special=tuple(special),
    )
    return found, {
        found.vocabulary: "".join(f"{token}\n" for token in vocabulary).encode(),
        found.characters: _table(about["normalizer"]).encode(),
    }


def _table(normalizer: dict[str, Any]) -> str:
    lower, strips = normalizer["lowercase"], normalizer["strip_accents"]
    cleans, parts = normalizer["clean_text"], normalizer["handle_chinese_chars"]
    return characters(cleans, parts, lower if strips is None else strips, lower)


@cache  # seconds each
def characters(cleans: bool, parts_chinese: bool, strips: bool, lowers: bool) -> str:
    """What becomes of each character under a BertNormalizer's options and a BertPreTokenizer, one range per line.

    Asked of the library itself, so that no two versions of Unicode can differ. `first FROM TO CODES`: replaced by these
    before marks are put into their canonical order, `order FROM TO CLASS`: their class there, `then FROM TO CODES`:
    replaced after it, `space FROM TO` and `alone FROM TO`: between words, and a word of its own. Codes are hexadecimal,
    `=` is the character itself. `hangul`: syllables are taken apart.
    """
    from tokenizers.normalizers import NFD, BertNormalizer, Lowercase
    from tokenizers.pre_tokenizers import BertPreTokenizer

    clean, parting = BertNormalizer(cleans, parts_chinese, False, False), BertPreTokenizer()
    stripped = BertNormalizer(False, False, True, False)
    decomposed: Change = NFD().normalize_str if strips else lambda text: text
    lines = ["hangul"] if strips else []

    def first(code: int, text: str) -> str:
        return text if code in HANGUL else decomposed(text)

    def then(character: str) -> str:
        if strips and decomposed(character) != character:
            return character  # which `first` leaves none of
        text = stripped.normalize_str(character) if strips else character
        return Lowercase().normalize_str(text) if lowers else text

    def words(code: int) -> int:
        return len(parting.pre_tokenize_str(f"a{chr(code)}a"))  # 1: a letter, 2: a space, 3: a word of its own

    lines += _lines("first", lambda code: _codes(code, first(code, clean.normalize_str(chr(code)))))
    if strips:
        lines += _lines("order", lambda code: _class(chr(code), decomposed))
    lines += _lines("then", lambda code: _codes(code, then(chr(code))))
    lines += _lines("space", lambda code: "" if words(code) == 2 else None)
    lines += _lines("alone", lambda code: "" if words(code) == 3 else None)
    return "".join(f"{line}\n" for line in lines)


def _frames(post: dict[str, Any] | None, tokenizer: Any) -> bool:
    """Whether texts stand as [CLS] a [SEP] b [SEP], b and its end of type 1."""
    if post is None or tokenizer.cls_token is None or tokenizer.sep_token is None or tokenizer.pad_token is None:
        return False
    if post["type"] == "BertProcessing":
        return bool(post["cls"][0] == tokenizer.cls_token and post["sep"][0] == tokenizer.sep_token)
    parts = [("SpecialToken", tokenizer.cls_token, 0), ("Sequence", "A", 0), ("SpecialToken", tokenizer.sep_token, 0)]
    second = [("Sequence", "B", 1), ("SpecialToken", tokenizer.sep_token, 1)]
    wanted = [{kind: {"id": name, "type_id": number}} for kind, name, number in (*parts, *second)]
    return bool(post["type"] == "TemplateProcessing" and post["single"] == wanted[:3] and post["pair"] == wanted)


def _class(character: str, decomposed: Change) -> str | None:
    """Its combining class, None for what stays where it is; the library may know fewer than this Python."""
    combining = unicodedata.combining(character)
    moves = combining and any(
        decomposed(pair) != pair for pair in (character + LOWEST_CLASS, HIGHEST_CLASS + character)
    )
    return f" {combining}" if moves and decomposed(character) == character else None


def _codes(code: int, text: str) -> str | None:
    if text == chr(code):
        return None
    return "".join(" =" if character == chr(code) else f" {ord(character):X}" for character in text)


def _lines(word: str, said: Callable[[int], str | None]) -> Iterator[str]:
    """One line for neighbours of which the same is said; nothing for None."""
    sparse = range(0x20000, LAST + 1, STEP)
    begin = before = 0
    found = said(0)
    for code in sorted({*(code for part in DENSE for code in part), *sparse, LAST}):
        if (text := said(code)) != found:
            change = code
            if 1 < code - before <= STEP:
                change = before + bisect_left(range(before, code), True, key=lambda each: said(each) != found)
            if found is not None:
                yield f"{word} {begin:X} {change - 1:X}{found}"
            begin, found = change, text
        before = code
    if found is not None:
        yield f"{word} {begin:X} {LAST:X}{found}"

"""A BERT tokenizer of plain data: the ids that `transformers` gives for the same texts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .characters import Characters

Ids = NDArray[np.int64]


class Encoded(NamedTuple):
    """[max_length] each."""

    input_ids: Ids
    attention_mask: Ids
    token_type_ids: Ids


class WordPiece:
    """Replaces characters, parts words, and cuts each into the longest pieces that the vocabulary has."""

    def __init__(self, vocabulary: bytes, characters: bytes, settings: Mapping[str, Any]) -> None:
        """The contents of the two files that the contract names, and its `wordpiece`."""
        tokens = vocabulary.decode().removesuffix("\n").split("\n")
        self._ids = {token: number for number, token in enumerate(tokens)}
        self._characters = Characters(characters.decode())
        self._unknown, self._start, self._end, self._padding = (
            self._ids[settings[name]] for name in ("unknown", "start", "end", "padding")
        )
        self._continuation: str = settings["continuation"]
        self._longest_word: int = settings["longest_word"]
        longest_first = sorted(settings["special"], key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def encode(self, text: str, pair: str | None = None, *, max_length: int) -> Encoded:
        """One text, or two; cut at `max_length`, the longer one first. ValueError where not even the frame has room."""
        first, second = self._tokens(text), None if pair is None else self._tokens(pair)
        room = max_length - (2 if second is None else 3)
        if room < 0:
            raise ValueError(f"max_length = {max_length}: too short for a text")
        lengths = _shares(len(first), 0 if second is None else len(second), room)
        ids = [self._start, *first[: lengths[0]], self._end]
        types = [0] * len(ids)
        if second is not None:
            ids += [*second[: lengths[1]], self._end]
            types += [1] * (len(ids) - len(types))
        padding = max_length - len(ids)
        return Encoded(
            np.array(ids + [self._padding] * padding, np.int64),
            np.array([1] * len(ids) + [0] * padding, np.int64),
            np.array(types + [0] * padding, np.int64),
        )

    def _tokens(self, text: str) -> list[int]:
        found: list[int] = []
        place = 0
        for special in self._special.finditer(text) if self._special else ():
            found += self._plain(text[place : special.start()])
            found.append(self._ids[special[0]])
            place = special.end()
        return found + self._plain(text[place:])

    def _plain(self, text: str) -> list[int]:
        return [piece for word in self._characters.words(text) for piece in self._pieces(word)]

    def _pieces(self, word: str) -> list[int]:
        if len(word) > self._longest_word:
            return [self._unknown]
        pieces: list[int] = []
        start = 0
        while start < len(word):
            begin = self._continuation if start else ""
            ends = range(len(word), start, -1)
            end = next((end for end in ends if begin + word[start:end] in self._ids), None)
            if end is None:
                return [self._unknown]
            pieces.append(self._ids[begin + word[start:end]])
            start = end
        return pieces


def _shares(first: int, second: int, room: int) -> tuple[int, int]:
    """How many tokens two texts keep: the longer one loses, and both come to half where both are longer than that."""
    if first + second <= room:
        return first, second
    short = min(first, second)
    if 2 * short > room:
        short = room // 2
        long = room - short
    else:
        long = room - short
    return (short, long) if first <= second else (long, short)

"""The table of characters that a bundle brings: what becomes of each one before a text is parted into words."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

HANGUL, VOWELS, TAILS = range(0xAC00, 0xD7A4), 21, 28
LEAD, VOWEL, TAIL = 0x1100, 0x1161, 0x11A7
"""The first of the letters that Unicode puts syllables together from."""


@dataclass(frozen=True)
class Ranges:
    """What is said of characters, by ranges in their order."""

    starts: list[int]
    ends: list[int]
    said: list[list[str]]

    @classmethod
    def of(cls, lines: list[list[str]]) -> Ranges:
        """Lines without their first word."""
        return cls(
            [int(line[0], 16) for line in lines], [int(line[1], 16) for line in lines], [line[2:] for line in lines]
        )

    def find(self, code: int) -> list[str] | None:
        """None where nothing is said."""
        index = bisect_right(self.starts, code) - 1
        return self.said[index] if index >= 0 and code <= self.ends[index] else None


class Characters:
    """`first`, canonical order, `then`: these three in a row are what a BERT tokenizer does to a text."""

    def __init__(self, table: str) -> None:
        parted: dict[str, list[list[str]]] = {}
        for line in table.splitlines():
            word, *rest = line.split(" ")
            parted.setdefault(word, []).append(rest)
        self._hangul = "hangul" in parted
        self._first, self._order, self._then, self._space, self._alone = (
            Ranges.of(parted.get(word, [])) for word in ("first", "order", "then", "space", "alone")
        )

    def words(self, text: str) -> list[str]:
        """A text's words; punctuation is a word of its own."""
        words, word = [], ""
        for code in self._replaced(text):
            alone = self._alone.find(code) is not None
            if alone or self._space.find(code) is not None:
                words += [word] if word else []
                words += [chr(code)] if alone else []
                word = ""
            else:
                word += chr(code)
        return [*words, word] if word else words

    def _replaced(self, text: str) -> list[int]:
        codes = [code for character in text for code in self._decomposed(ord(character))]
        return [code for each in self._ordered(codes) for code in _codes(each, self._then.find(each))]

    def _decomposed(self, code: int) -> list[int]:
        if not self._hangul or code not in HANGUL:
            return _codes(code, self._first.find(code))
        rest, tail = divmod(code - HANGUL.start, TAILS)
        lead, vowel = divmod(rest, VOWELS)
        return [LEAD + lead, VOWEL + vowel, *([TAIL + tail] if tail else [])]

    def _ordered(self, codes: list[int]) -> list[int]:
        """Marks that follow one another by their class; those of one class stay as they are."""
        ordered: list[int] = []
        marks: list[tuple[int, int]] = []
        for code in codes:
            said = self._order.find(code)
            if said is None:
                ordered += [mark for _, mark in sorted(marks, key=lambda mark: mark[0])]
                ordered.append(code)
                marks = []
            else:
                marks.append((int(said[0]), code))
        return ordered + [mark for _, mark in sorted(marks, key=lambda mark: mark[0])]


def _codes(code: int, said: list[str] | None) -> list[int]:
    return [code] if said is None else [code if each == "=" else int(each, 16) for each in said]

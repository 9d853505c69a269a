"""Swift files as far as Python sees them: each can be parsed, and what nothing here compiles is named in the README."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tree_sitter_swift
from tree_sitter import Language, Node, Parser

from edgeship.apps.board.refusal import REASONS

IOS = Path(__file__).parents[2] / "apps" / "ios"
FILES = sorted(file for file in IOS.rglob("*.swift") if not {".build", "Generated"} & set(file.parts))
COMPILED = IOS / "BenchCore"
"""By `make test-ios-core`; the other files need Apple's frameworks."""


def _wrong(source: bytes) -> list[str]:
    """What of a file is no Swift, by its line."""
    waiting: list[Node] = [Parser(Language(tree_sitter_swift.language())).parse(source).root_node]
    found = []
    while waiting:
        node = waiting.pop()
        if node.is_error or node.is_missing:
            found.append(f"line {node.start_point.row + 1}: {node.text!r}")
        waiting += node.children
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(IOS).as_posix())
def test_a_file_is_parsed_without_an_error(file: Path) -> None:
    assert _wrong(file.read_bytes()) == []


def test_what_is_no_swift_is_seen() -> None:
    assert _wrong(b"func broken( -> Int { 1 }")
    assert _wrong(b"let fine = 1\n") == []


def test_the_readme_names_every_file_that_is_parsed_only() -> None:
    uncompiled = [file.relative_to(IOS).as_posix() for file in FILES if not file.is_relative_to(COMPILED)]
    print(f"{len(FILES)} Swift files parsed, {len(uncompiled)} of them compiled nowhere here:", *uncompiled, sep="\n")
    readme = (IOS / "README.md").read_text()
    named = re.findall(r"`((?:App|Engines)/[\w/]+\.swift)`", readme)
    assert sorted(named) == uncompiled


def test_reasons_have_the_same_words_in_swift() -> None:
    text = (COMPILED / "Sources/BenchCore/Bundle/Refusal.swift").read_text()
    words = dict(re.findall(r'case (\w+) = "([\w-]+)"', text))
    sentences = dict(re.findall(r'case \.(\w+): "(.*)"', text))
    assert {word: sentences[name] for name, word in words.items()} == REASONS

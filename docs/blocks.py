"""Fills the code blocks of docs/*.md with what files hold that tests compile, run or parse (`make docs`).

`<!-- code:FILE -->` … `<!-- /code -->` takes a whole file; `<!-- code:FILE#PART -->` takes the lines between a comment
`docs: PART` and the next comment `docs: end`, without their common indentation. FILE is a path in the checkout.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

LANGUAGES = {".kt": "kotlin", ".kts": "kotlin", ".py": "python", ".txt": "cmake", ".pro": "text"}
"""Where a language is not called as its files end."""
BLOCK = re.compile(r"<!-- code:(?P<place>[^ #]+)(?:#(?P<part>[\w-]+))? -->.*?<!-- /code -->", re.DOTALL)
MARK = re.compile(r"^\s*(?://|#|<!--) docs: (?P<part>[\w-]+)(?: -->)?$")


def render(text: str, root: Path) -> str:
    """A page with every block renewed; ValueError for a part that a file does not have."""

    def block(match: re.Match[str]) -> str:
        file, name = root / match["place"], match["place"] + (f"#{match['part']}" if match["part"] else "")
        code = part_of(file, match["part"]) if match["part"] else without_marks(file.read_text().splitlines())
        return f"<!-- code:{name} -->\n```{LANGUAGES.get(file.suffix, file.suffix[1:])}\n{code}\n```\n<!-- /code -->"

    return BLOCK.sub(block, text)


def part_of(file: Path, part: str) -> str:
    """The marked lines of a file."""
    marks = [(number, found["part"]) for number, line in enumerate(lines_of(file)) if (found := MARK.match(line))]
    begins = [index for index, (_, name) in enumerate(marks) if name == part]
    if len(begins) != 1 or begins[0] + 1 == len(marks) or marks[begins[0] + 1][1] != "end":
        raise ValueError(f"{file}: has no one part {part!r} between `docs: {part}` and `docs: end`")
    (begin, _), (end, _) = marks[begins[0]], marks[begins[0] + 1]
    return without_marks(lines_of(file)[begin + 1 : end])


def lines_of(file: Path) -> list[str]:
    """A file's lines."""
    return file.read_text().splitlines()


def without_marks(lines: list[str]) -> str:
    """Lines as a page shows them."""
    return textwrap.dedent("\n".join(line for line in lines if not MARK.match(line))).strip("\n")

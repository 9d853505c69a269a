"""What is said of errors that libraries raise."""

from __future__ import annotations

import pytest

from edgeship.toolchain.errors import first_line


@pytest.mark.parametrize(
    ("message", "said"),
    [("\n one thing\nand another", "one thing"), ("", "ValueError"), (" \n", "ValueError"), ("x" * 999, "x" * 300)],
)
def test_an_error_is_told_by_its_first_line_or_its_type(message: str, said: str) -> None:
    assert first_line(ValueError(message)) == said

"""Figures as a person reads them."""

from __future__ import annotations

import pytest

from edgeship.toolchain.report import format


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 B"), (999, "999 B"), (1_234, "1.2 kB"), (9_960, "10 kB"), (27_400, "27 kB"), (999_499, "999 kB"),
     (999_600, "1.00 MB"), (4_078_000, "4.08 MB"), (90_400_000, "90.4 MB"), (346_000_000, "346 MB")],
)  # fmt: skip
def test_a_size_has_a_unit_and_at_most_three_digits(count: int, shown: str) -> None:
    assert format.size(count) == shown


@pytest.mark.parametrize(
    ("value_ns", "shown"),
    [(4_200, "0.0042"), (23_400, "0.023"), (1_499_000, "1.50"), (9_996_000, "10.0"), (140_200_000, "140")],
)
def test_a_latency_keeps_its_digits_from_microseconds_to_seconds(value_ns: float, shown: str) -> None:
    assert format.milliseconds(value_ns) == shown


def test_outputs_that_are_bit_by_bit_equal_have_no_figure() -> None:
    assert [format.decibel(value) for value in (-3.14, 38.21, 121.4, 200.0)] == [
        "-3.1 dB",
        "38.2 dB",
        "121 dB",
        "equal",
    ]


def test_big_counts_are_rounded_with_a_prefix() -> None:
    assert [format.number(count) for count in (940, 61_706, 999_600, 3_400_000, 4.09e9)] == [
        "940",
        "61.7 k",
        "1 M",
        "3.4 M",
        "4.09 G",
    ]

"""What a file computes in: its operators counted by name and dtype; moving and converting numbers is no computing."""

from __future__ import annotations

from collections import Counter

Computing = Counter[tuple[str, str]]
"""(operator, dtype it computes in) → how many."""


def by_dtype(computing: Computing) -> dict[str, int]:
    """How many operators compute in each dtype, most first."""
    counts: Counter[str] = Counter()
    for (_, dtype), count in computing.items():
        counts[dtype] += count
    return dict(counts.most_common())


def in_float(computing: Computing) -> dict[str, int]:
    """The operators that compute in floating point, most frequent first."""
    counts: Counter[str] = Counter()
    for (operator, dtype), count in computing.items():
        if "float" in dtype:
            counts[operator] += count
    return dict(counts.most_common())

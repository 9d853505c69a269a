"""Which of a file's tensors is which of the model's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def names(artifact: Mapping[str, Any], side: str) -> list[str]:
    """The model's names of an artifact's `inputs` or `outputs`, in order."""
    return [tensor["name"] for tensor in artifact[side]]


def positions(wanted: Sequence[str], found: Sequence[str]) -> list[int]:
    """For each of `wanted` its index in `found`: by name where all are there, else by position; ValueError."""
    if set(wanted) <= set(found):
        return [found.index(name) for name in wanted]
    if len(wanted) != len(found):
        raise ValueError(f"the file has {', '.join(found)}; the manifest names {', '.join(wanted)}")
    return list(range(len(found)))

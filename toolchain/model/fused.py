"""Numbers of steps that a converter makes one operator of: a norm's epsilon, the factors of a GELU.

The operator is told them, or computes with them itself: the file stores no such constant.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from edgeship.toolchain.inventory import Setting
from edgeship.toolchain.model.nodes import name_of
from edgeship.toolchain.model.settings import told
from edgeship.toolchain.samples import Array

if TYPE_CHECKING:
    from torch.fx import Node

BESIDE: dict[Setting, tuple[tuple[str, ...], int]] = {
    "epsilon": (("aten.rsqrt", "aten.sqrt"), 1),
    "factor": (("aten.tanh", "aten.erf"), 3),
}
"""What a file says → operators of the program, and how many steps from them the number may be read."""


def is_fused(array: Array, reader: Node | None, settings: Iterable[tuple[str, Setting, float]]) -> bool:
    """Whether one of the file's operators is given the number that `reader` takes."""
    return (
        array.size == 1
        and reader is not None
        and any(
            name in BESIDE and told(number, float(array.flat[0])) and _reaches(reader, *BESIDE[name])
            for _, name, number in settings
        )
    )


def _reaches(start: Node, names: tuple[str, ...], steps: int) -> bool:
    """Whether one of these operators is at most so many operands or results away."""
    seen, reached = {start}, {start}
    for _ in range(steps):
        reached = {each for node in reached for each in (*node.users, *node.all_input_nodes)} - seen
        seen |= reached
    return any(name_of(node) in names for node in seen)

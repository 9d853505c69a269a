"""What one call of a program costs, whatever executes it: its parameters and multiply-accumulates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.export import ExportedProgram


@dataclass(frozen=True)
class Cost:
    """`macs` counts convolutions, matrix products and attention; other operators are free by convention."""

    parameters: int
    macs: int


def cost(program: ExportedProgram, example: Sequence[Any]) -> Cost:
    """Count a float program's parameters, and the multiply-accumulates of one call with these inputs.

    By torch.utils.flop_counter, which counts a multiplication and an addition as two.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        program.module()(*example)
    return Cost(sum(tensor.numel() for tensor in program.parameters()), int(counter.get_total_flops()) // 2)

"""What a quantize node stores: its scale and zero point, and the bounds that they leave open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.fx import Node

Affine = tuple[float, int]
"""Scale and uint8 zero point."""


def affine(quantize: Node) -> Affine:
    """Scale and zero point of a quantize node, moved from int8 to uint8."""
    import torch

    offset = 128 if quantize.args[5] is torch.int8 else 0
    return float(quantize.args[1]), int(quantize.args[2]) + offset  # type: ignore[arg-type]


def bounds_of(node: Any) -> tuple[float, float] | None:
    """The bounds of a ReLU or ReLU6."""
    import torch

    aten = torch.ops.aten
    if getattr(node, "target", None) in (aten.relu.default, aten.relu_.default):
        return 0.0, float("inf")
    if getattr(node, "target", None) in (aten.hardtanh.default, aten.hardtanh_.default):
        low, high = (*node.args[1:], -1.0, 1.0)[:2] if len(node.args) < 3 else node.args[1:3]
        return float(low), float(high)
    return None


def bounds_left(clamp: tuple[float, float], quantize: Node) -> tuple[float | None, float | None]:
    """The bounds that uint8 at this scale could leave by half a step; None for each that it cannot."""
    scale, zero = affine(quantize)
    low, high = (0 - zero) * scale, (255 - zero) * scale
    return (
        None if low >= clamp[0] - scale / 2 else clamp[0],
        None if high <= clamp[1] + scale / 2 else clamp[1],
    )

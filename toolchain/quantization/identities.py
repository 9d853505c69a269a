"""Operators that change nothing, taken out of a program before it is annotated: each would be quantized."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeship.toolchain.quant import FLOAT32
from edgeship.toolchain.quantization.aliasing import is_mutable, may_be_view, overwrites_what_others_read
from edgeship.toolchain.quantization.operands import constant_of

if TYPE_CHECKING:
    from torch.fx import GraphModule, Node

    from edgeship.toolchain.quantization.layers import Change


def drop_identities(model: GraphModule, made_of: Change) -> int:
    """Remove x + 0, x - 0, x * 1, x / 1 of layers that are to change, in place; returns how many.

    Exact for integers, which have no negative zero: layers that stay float keep theirs. Only where shape and dtype
    stay, and where no operator overwrites a value that others read.
    """
    if overwrites_what_others_read(model):
        return 0
    dropped = 0
    for node in list(model.graph.nodes):
        if made_of(node) == FLOAT32 or not _is_identity(model, node):
            continue
        value = node.args[0]
        if value.op == "placeholder" and any(user.op == "output" for user in node.users):
            continue  # a program that answers its own input
        if any(is_mutable(user) for user in [*node.users, *value.users]) and (
            may_be_view(value) or len(value.users) > 1
        ):
            continue
        node.replace_all_uses_with(value)
        model.graph.erase_node(node)
        dropped += 1
    model.graph.eliminate_dead_code()
    model.recompile()
    return dropped


def _is_identity(model: GraphModule, node: Node) -> bool:
    import torch

    aten = torch.ops.aten
    neutral = {
        aten.add.Tensor: 0.0,
        aten.add_.Tensor: 0.0,
        aten.sub.Tensor: 0.0,
        aten.sub_.Tensor: 0.0,
        aten.mul.Tensor: 1.0,
        aten.mul_.Tensor: 1.0,
        aten.div.Tensor: 1.0,
        aten.div_.Tensor: 1.0,
    }
    if node.target not in neutral or not isinstance(node.args[0], torch.fx.Node):
        return False
    before, after = node.args[0].meta["val"], node.meta["val"]
    if before.dtype != after.dtype or str(before.shape) != str(after.shape):
        return False
    other = constant_of(model, node.args[1])
    return other is not None and bool((other == neutral[node.target]).all())

"""Numbers that are moved twice or more are quantized once, at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.fx import GraphModule

_MOVES = ("aten.view.", "aten.reshape.", "aten.permute.", "aten.transpose.")


def join_moves(module: GraphModule) -> int:
    """Drop each quantize-dequantize pair between two moves, in place; returns how many.

    What is moved lies on its grid already. And Core ML knows more than five dimensions only between a reshape, a
    transpose and a reshape with nothing between them, as windows of an image are made.
    """
    import torch

    decomposed, dropped = torch.ops.quantized_decomposed, 0
    for quantize in list(module.graph.nodes):
        if quantize.target is not decomposed.quantize_per_tensor.default or not _is_move(moved := quantize.args[0]):
            continue
        source = moved
        while _is_move(source):
            source = source.args[0]
        if source.target is not decomposed.dequantize_per_tensor.default or source.args[1:] != quantize.args[1:]:
            continue
        for dequantize in list(quantize.users):
            if dequantize.op == "call_function" and all(_is_move(user) for user in dequantize.users):
                dequantize.replace_all_uses_with(moved)
                dropped += 1
    module.graph.eliminate_dead_code()
    module.recompile()
    return dropped


def _is_move(node: Any) -> bool:
    return str(node.target).startswith(_MOVES)

"""A dynamically quantized program as runtimes compute it that choose one activation scale per row.

XNNPACK (in ExecuTorch and LiteRT) quantizes each row of a linear layer's input by itself; the stored program has one
scale per tensor, for every runtime can follow that. Such an artifact is judged against what it was meant to compute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch.fx import GraphModule


def scale_by_rows(module: GraphModule) -> None:
    """Give the input of every dynamically quantized linear layer one scale and zero point per row, in place."""
    import torch

    dequantize = torch.ops.quantized_decomposed.dequantize_per_tensor.tensor
    for node in list(module.graph.nodes):
        if node.target is not dequantize or {u.target for u in node.users} != {torch.ops.aten.linear.default}:
            continue
        quantize = node.args[0]
        with module.graph.inserting_before(node):
            rounded = module.graph.call_function(round_rows, (quantize.args[0], *quantize.args[3:6]))
        node.replace_all_uses_with(rounded)
    module.graph.eliminate_dead_code()
    module.recompile()


def round_rows(x: torch.Tensor, low: int, high: int, dtype: torch.dtype) -> torch.Tensor:
    """`x` [..., n] rounded as integers of `dtype` from `low` to `high`, asymmetric, a scale per row (torchao)."""
    from torchao.quantization.quant_primitives import (
        MappingType,
        choose_qparams_affine,
        dequantize_affine,
        quantize_affine,
    )

    block = (*(1 for _ in x.shape[:-1]), x.shape[-1])
    scale, zero_point = choose_qparams_affine(x, MappingType.ASYMMETRIC, block, dtype, low, high)
    integers = quantize_affine(x, block, scale, zero_point, dtype, low, high)
    rounded: torch.Tensor = dequantize_affine(
        integers, block, scale, zero_point, dtype, low, high, output_dtype=x.dtype
    )
    return rounded

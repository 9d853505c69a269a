"""Torch operators of quantized programs that torch.onnx does not translate itself.

Each answers exactly what torch's operator does, in standard ONNX; the rewrites bring it into the runtime's shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def translations(opset: int) -> dict[Any, Callable[..., Any]]:
    """torch operator → onnxscript function, as torch.onnx.export's custom_translation_table."""
    import torch

    # registers the operators
    import torchao.quantization.pt2e.quantize_pt2e  # noqa: F401
    from onnxscript import opset18 as op
    from onnxscript import opset21
    from onnxscript.ir import DataType

    decomposed = torch.ops.quantized_decomposed

    def choose_qparams(input: Any, quant_min: int, quant_max: int, eps: float, dtype: int) -> Any:
        _, scale, zero_point = op.DynamicQuantizeLinear(input)
        axis = op.Constant(value_ints=[0])
        shift = op.Constant(value_int=quant_min)  # DynamicQuantizeLinear counts from 0
        return (
            op.Unsqueeze(op.Cast(scale, to=DataType.DOUBLE), axis),
            op.Unsqueeze(op.Add(op.Cast(zero_point, to=DataType.INT64), shift), axis),
        )

    def quantize(input: Any, scale: Any, zero_point: Any, quant_min: int, quant_max: int, dtype: int, **_: Any) -> Any:
        return op.QuantizeLinear(input, *parameters(scale, zero_point, dtype))

    def dequantize(
        input: Any, scale: Any, zero_point: Any, quant_min: int, quant_max: int, dtype: int, **_: Any
    ) -> Any:
        return op.DequantizeLinear(input, *parameters(scale, zero_point, dtype))

    def parameters(scale: Any, zero_point: Any, dtype: int) -> tuple[Any, Any]:
        return op.Squeeze(op.Cast(scale, to=DataType.FLOAT)), op.Squeeze(op.Cast(zero_point, to=dtype))

    def dequantize_groups(
        input: Any,
        scales: Any,
        zero_points: Any,
        quant_min: int,
        quant_max: int,
        dtype: int,
        group: int,
        out_dtype: int = -1,
    ) -> Any:
        zeros = op.Cast(zero_points, to=dtype)
        return opset21.DequantizeLinear(input, scales, zeros, axis=1, block_size=group)

    table: dict[Any, Callable[..., Any]] = {
        decomposed.choose_qparams.tensor: choose_qparams,
        decomposed.quantize_per_tensor.tensor: quantize,
        decomposed.dequantize_per_tensor.tensor: dequantize,
    }
    if opset >= 21:  # blocks are new there
        table[decomposed.dequantize_per_channel_group.default] = dequantize_groups
    return table

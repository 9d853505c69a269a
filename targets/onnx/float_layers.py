"""Exact rewrites of layers that compute in float in a statically quantized graph, for want of an integer kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgeship.targets.onnx.graph import by_type, initializer, insert, producer, scheme
from edgeship.targets.onnx.weights import floats_at_load

if TYPE_CHECKING:
    import onnx_ir as ir


def dequantize_weights_at_load(model: ir.Model) -> int:
    """Weights of transposed and 3-D convolutions are dequantized once; they stay int8 in the file.

    ONNX Runtime has no integer kernel for the former and a slow one for the latter: 3.5 times the float one's time.
    A network of nothing but 3-D convolutions keeps that one: an int8 file must compute in integers.
    """
    quantized = {
        node: dequantize
        for node in by_type(model, "Conv", "ConvTranspose", "Gemm", "MatMul")
        if (dequantize := producer(node.inputs[1], "DequantizeLinear")) is not None
    }
    slow = [node for node in quantized if node.op_type == "Conv" and _is_3d(node)]
    without = [node for node in quantized if node.op_type == "ConvTranspose"]
    in_float = without + slow if len(quantized) > len(without) + len(slow) else without
    alone = [quantized[node] for node in in_float if len(quantized[node].outputs[0].uses()) == 1]
    return sum(map(floats_at_load, alone))


def _is_3d(convolution: ir.Node) -> bool:
    weight = convolution.inputs[1]
    return weight is not None and weight.shape is not None and len(weight.shape) == 5


def keep_float_layers(model: ir.Model) -> int:
    """A layer with float weights between DQ and Q reads a DQ of its own, with its one scale repeated along an axis.

    Behind a DQ with a single scale ONNX Runtime quantizes float weights by itself when it loads the file, one scale
    per layer (its WeightBiasQuantization): the layer would neither be float nor be quantized well.
    """
    count = 0
    for node in by_type(model, "Conv", "ConvTranspose", "Gemm"):
        weight, dequantize = node.inputs[1], producer(node.inputs[0], "DequantizeLinear")
        found = scheme(dequantize) if dequantize is not None else None
        graph = node.graph
        if weight is None or producer(weight, "DequantizeLinear") is not None or weight.shape is None:
            continue
        if dequantize is None or found is None or graph is None or found.scale.size != 1:
            continue
        name, stored = f"{node.outputs[0].name}_input", dequantize.inputs[0]
        assert stored is not None
        axis, size = _longer_than_one(stored, _input_channels(node, weight.shape.numpy()))
        scales = initializer(graph, f"{name}_scale", np.full(size, found.scale.item(), np.float32))
        zeros = initializer(graph, f"{name}_zero", np.full(size, found.zero_point.item(), found.zero_point.dtype))
        node.replace_input_with(0, insert(node, "DequantizeLinear", [stored, scales, zeros], name, axis=axis))
        count += 1
    return count


def _longer_than_one(value: ir.Value, channels: int) -> tuple[int, int]:
    """An axis that has more than one index, if there is one, and its size: channels, or a fixed one after them."""
    sizes = {1: channels} if channels > 1 or value.shape is None else dict(enumerate(value.shape))
    fixed = [(axis, size) for axis, size in sizes.items() if axis and isinstance(size, int) and size > 1]
    return fixed[0] if fixed else (1, channels)


def _input_channels(node: ir.Node, weight: tuple[int, ...]) -> int:
    """How many channels the layer's input has along axis 1."""
    if node.op_type == "Conv":
        groups: int = node.attributes.get_int("group", 1)
        return weight[1] * groups
    transposed: int = node.attributes.get_int("transB", 0)
    return weight[1] if node.op_type == "Gemm" and transposed else weight[0]

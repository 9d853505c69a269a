"""Exact rewrites after which ONNX Runtime computes a dynamically quantized graph in integers.

torch writes float products between dequantized values. ONNX Runtime wants DynamicQuantizeLinear → MatMulInteger →
Cast → Mul by both scales → Add bias, which it fuses into one kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgeship.targets.onnx.graph import Scheme, by_type, constant, initializer, insert, producer, replace, scheme

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgeship.toolchain.api import Array

_FLOAT = 1  # TensorProto.FLOAT
_CARRIES = ("Cast", "Squeeze", "Unsqueeze", "Reshape", "Identity", "Add")


class _Quantized(NamedTuple):
    """The outputs of a DynamicQuantizeLinear."""

    integers: ir.Value
    scale: ir.Value
    zero_point: ir.Value


def join_dynamic_pairs(model: ir.Model) -> int:
    """A dequantized value whose scale comes from DynamicQuantizeLinear takes that operator's integers directly.

    torch chooses scale and zero point in one operator and quantizes in the next; DynamicQuantizeLinear does both.
    """
    count = 0
    for dequantize in by_type(model, "DequantizeLinear"):
        quantize = producer(dequantize.inputs[0], "QuantizeLinear")
        if quantize is None:
            continue
        source = _scale_source(dequantize.inputs[1])
        if source is None or source is not _scale_source(quantize.inputs[1]):
            continue
        if source.inputs[0] is not quantize.inputs[0]:
            continue
        for index, value in enumerate(source.outputs):
            dequantize.replace_input_with(index, value)
        count += 1
    return count


def _scale_source(value: ir.Value | None) -> ir.Node | None:
    """The DynamicQuantizeLinear whose scale this value is."""
    while (node := producer(value, *_CARRIES)) is not None and node.op_type != "Add":
        value = node.inputs[0]
    source = producer(value, "DynamicQuantizeLinear")
    return source if source is not None and value is source.outputs[1] else None


def multiply_integers(model: ir.Model) -> int:
    """A float product of a dynamically quantized value and a constant int8 matrix becomes MatMulInteger."""
    count = 0
    for node in by_type(model, "MatMul", "Gemm"):
        if node.op_type == "Gemm" and not _is_linear(node):
            continue
        quantized = _dynamic(node.inputs[0])
        weight = _weight(node.inputs[1], transposed=bool(node.attributes.get_int("transB", 0)))
        if quantized is None or weight is None:
            continue
        integers, scales = weight
        graph = node.graph
        assert graph is not None
        name = f"{node.outputs[0].name}"
        stored = initializer(graph, f"{name}_weight", integers)
        sums = insert(node, "MatMulInteger", [quantized.integers, stored, quantized.zero_point], f"{name}_sums")
        bias = node.inputs[2] if node.op_type == "Gemm" and len(node.inputs) > 2 else None
        replace(node, _to_float(node, sums, quantized.scale, scales, bias))
        count += 1
    return count


def _is_linear(gemm: ir.Node) -> bool:
    get = gemm.attributes
    return get.get_float("alpha", 1.0) == 1 and get.get_float("beta", 1.0) == 1 and not get.get_int("transA", 0)


def convolve_integers(model: ir.Model) -> int:
    """A float convolution of a dynamically quantized value and constant int8 filters becomes ConvInteger."""
    import onnx_ir as ir

    count = 0
    for node in by_type(model, "Conv"):
        quantized = _dynamic(node.inputs[0])
        dequantize = producer(node.inputs[1], "DequantizeLinear")
        found = scheme(dequantize) if dequantize is not None else None
        if quantized is None or dequantize is None or found is None or np.any(found.zero_point):
            continue
        stored = dequantize.inputs[0]
        graph = node.graph
        assert graph is not None
        assert stored is not None
        name = f"{node.outputs[0].name}"
        product = ir.node(
            "ConvInteger",
            [quantized.integers, stored, quantized.zero_point],
            dict(node.attributes),
            name=f"{name}_sums",
        )
        graph.insert_before(node, product)
        rank = 0 if stored.shape is None else len(stored.shape)
        per_channel = (-1, *([1] * (rank - 2)))
        bias = constant(node.inputs[2]) if len(node.inputs) > 2 else None
        shaped = None if bias is None else initializer(graph, f"{name}_bias", bias.reshape(per_channel))
        scales = found.scale.reshape(per_channel) if found.scale.size > 1 else found.scale
        replace(node, _to_float(node, product.outputs[0], quantized.scale, scales, shaped))
        count += 1
    return count


def _dynamic(value: ir.Value | None) -> _Quantized | None:
    dequantize = producer(value, "DequantizeLinear")
    source = producer(dequantize.inputs[0], "DynamicQuantizeLinear") if dequantize is not None else None
    return _Quantized(*source.outputs) if source is not None else None


def _weight(value: ir.Value | None, transposed: bool) -> tuple[Array, Array] | None:
    """Integers [in, out] and scales [out] or [] of a symmetric constant matrix."""
    if (transpose := producer(value, "Transpose")) is not None:
        if list(transpose.attributes.get_ints("perm", [1, 0])) != [1, 0]:
            return None
        value, transposed = transpose.inputs[0], not transposed
    dequantize = producer(value, "DequantizeLinear")
    if dequantize is None:
        return None
    found, integers = scheme(dequantize), constant(dequantize.inputs[0])
    if found is None or integers is None or integers.ndim != 2 or np.any(found.zero_point):
        return None
    if found.axis is not None and found.axis % 2 != (0 if transposed else 1):
        return None
    return (np.ascontiguousarray(integers.T) if transposed else integers), _flat(found)


def _flat(found: Scheme) -> Array:
    scale = found.scale.astype(np.float32)
    return scale.reshape(-1) if scale.size > 1 else scale.reshape(())


def _to_float(node: ir.Node, sums: ir.Value, scale: ir.Value, weight_scales: Array, bias: ir.Value | None) -> ir.Value:
    """float(sums) * (scale of the activation * scales of the weight) + bias, before `node`."""
    graph = node.graph
    assert graph is not None
    name = f"{node.outputs[0].name}"
    scales = insert(node, "Mul", [scale, initializer(graph, f"{name}_scale", weight_scales)], f"{name}_scales")
    product = insert(node, "Mul", [insert(node, "Cast", [sums], f"{name}_cast", to=_FLOAT), scales], f"{name}_product")
    return product if bias is None else insert(node, "Add", [product, bias], f"{name}_biased")

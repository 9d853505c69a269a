"""Exact rewrites after which ONNX Runtime computes a statically quantized graph in integers.

torch exports Q/DQ pairs around float operators. ONNX Runtime replaces a group Q(op(DQ, DQ)) by an integer kernel
only in the shape its own quantizer writes; each function here removes one difference and returns how many it removed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgeship.targets.onnx.graph import (
    by_type,
    clip_bounds,
    constant,
    initializer,
    insert,
    producer,
    replace,
    same,
    scheme,
)

if TYPE_CHECKING:
    import onnx_ir as ir

_INT32 = np.iinfo(np.int32)


def drop_repeated_pairs(model: ir.Model) -> int:
    """Q(DQ(q)) with the same scale and zero point is q."""
    count = 0
    for quantize in by_type(model, "QuantizeLinear"):
        dequantize = producer(quantize.inputs[0], "DequantizeLinear")
        if dequantize is None or quantize.outputs[0].is_graph_output():
            continue
        stored = dequantize.inputs[0]
        if stored is not None and same(scheme(quantize), scheme(dequantize)):
            replace(quantize, stored)
            count += 1
    return count


def drop_implied_clips(model: ir.Model) -> int:
    """Q(Clip(x)) and Q(Relu(x)) are Q(x) where Q cannot store what lies outside the clip's bounds."""
    count = 0
    for clip in by_type(model, "Clip", "Relu"):
        users = clip.outputs[0].consumers()
        if clip.outputs[0].is_graph_output() or not users:
            continue
        if all(user.op_type == "QuantizeLinear" and _implies(user, *clip_bounds(clip)) for user in users):
            value = clip.inputs[0]
            assert value is not None
            replace(clip, value)
            count += 1
    return count


def _implies(quantize: ir.Node, low: float, high: float) -> bool:
    found = scheme(quantize)
    if found is None or found.scale.size != 1 or found.zero_point.dtype not in (np.int8, np.uint8):
        return False
    limits = np.iinfo(np.int8 if found.zero_point.dtype == np.int8 else np.uint8)
    scale, zero_point = found.scale.astype(np.float32), int(found.zero_point)
    # what the bounds themselves are stored as, before saturation
    stored_low = np.rint(np.float32(low) / scale) + zero_point
    stored_high = np.rint(np.float32(high) / scale) + zero_point
    return bool(stored_low <= limits.min and stored_high >= limits.max)


def pool_spatial_means(model: ir.Model) -> int:
    """The mean over all that follows batch and channels is GlobalAveragePool, which has an integer kernel.

    Of three dimensions in integers only: those may be batch, words and features, whose mean is part of a norm.
    """
    count = 0
    for mean in by_type(model, "ReduceMean"):
        value = mean.inputs[0]
        axes = constant(mean.inputs[1]) if len(mean.inputs) > 1 else None
        if value is None or value.shape is None or len(value.shape) < 3 or axes is None:
            continue
        if {int(axis) % len(value.shape) for axis in axes} != set(range(2, len(value.shape))):
            continue
        if len(value.shape) == 3 and producer(value, "DequantizeLinear") is None:
            continue
        name = mean.outputs[0].name or mean.name or "mean"
        pooled = insert(mean, "GlobalAveragePool", [value], f"{name}_pooled")
        if not mean.attributes.get_int("keepdims", 1):
            pooled = _quantized_alike(mean, pooled, f"{name}_pooled")
            pooled = insert(mean, "Flatten", [pooled], f"{name}_flat", axis=1)
        replace(mean, pooled)
        count += 1
    return count


def _quantized_alike(mean: ir.Node, pooled: ir.Value, name: str) -> ir.Value:
    """The pooled value behind a pair of what quantizes the mean, if that is one Q: the integer kernel ends in it."""
    users = mean.outputs[0].consumers()
    if len(users) != 1 or users[0].op_type != "QuantizeLinear" or (found := scheme(users[0])) is None:
        return pooled
    if found.scale.size > 1:
        return pooled
    parameters = users[0].inputs[1:]
    stored = insert(mean, "QuantizeLinear", [pooled, *parameters], f"{name}_stored")
    return insert(mean, "DequantizeLinear", [stored, *parameters], f"{name}_read")


def quantize_biases(model: ir.Model) -> int:
    """A constant float bias becomes int32 at scale(input) * scale(weight), as integer kernels add it.

    Exact to half a step of the accumulator, which is far below one step of the output.
    """
    count = 0
    for node in by_type(model, "Conv", "Gemm"):
        bias = constant(node.inputs[2]) if len(node.inputs) > 2 else None
        activation = producer(node.inputs[0], "DequantizeLinear")
        weight = producer(node.inputs[1], "DequantizeLinear")
        if bias is None or bias.dtype != np.float32 or bias.ndim != 1 or activation is None or weight is None:
            continue
        of_activation, of_weight = scheme(activation), scheme(weight)
        if of_activation is None or of_weight is None or of_activation.scale.size != 1:
            continue
        if np.any(of_weight.zero_point) or of_weight.scale.size not in (1, bias.size):
            continue
        step = of_activation.scale.astype(np.float32) * of_weight.scale.astype(np.float32)
        stored = np.rint(bias.astype(np.float64) / step.astype(np.float64))
        if not np.all(np.isfinite(stored)) or stored.min() < _INT32.min or stored.max() > _INT32.max:
            continue
        graph = node.graph
        assert graph is not None
        name = f"{node.outputs[0].name}_bias"
        integers = initializer(graph, f"{name}_int32", stored.astype(np.int32))
        per_channel = of_weight.scale.size > 1
        scales = initializer(graph, f"{name}_scale", step.reshape(-1) if per_channel else step.reshape(()))
        zeros = initializer(graph, f"{name}_zero", np.zeros(scales.shape.numpy() if scales.shape else (), np.int32))
        node.replace_input_with(2, insert(node, "DequantizeLinear", [integers, scales, zeros], name, axis=0))
        count += 1
    return count


def activations_to_uint8(model: ir.Model) -> int:
    """int8 activations become uint8 by adding 128 to number and zero point: the same values.

    On x86 the integer kernels multiply uint8 by int8; with int8 activations ONNX Runtime leaves most operators float.
    """
    count = 0
    for quantize in by_type(model, "QuantizeLinear"):
        stored = quantize.outputs[0]
        users = stored.consumers()
        found = scheme(quantize)
        if found is None or found.scale.size != 1 or found.zero_point.dtype != np.int8 or stored.is_graph_output():
            continue
        if not all(user.op_type == "DequantizeLinear" and same(scheme(user), found) for user in users):
            continue
        for node in (quantize, *users):
            graph = node.graph
            assert graph is not None
            shifted = np.array(int(found.zero_point) + 128, np.uint8)
            node.replace_input_with(2, initializer(graph, f"zero_point_{int(shifted)}", shifted))
        stored.type = _uint8()
        count += 1
    return count


def _uint8() -> ir.TensorType:
    import onnx_ir as ir

    return ir.TensorType(ir.DataType.UINT8)

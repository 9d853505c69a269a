"""Exact rewrites of what stands between a layer and its quantization, where ONNX Runtime sees no integer kernel.

It fuses Q(layer(DQ, DQ)) only where nothing stands between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgeship.targets.onnx.graph import (
    Scheme,
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

    from edgeship.toolchain.api import Array

_WITH_INTEGER_KERNEL = ("Conv", "Gemm", "MatMul", "Add", "Mul")


def clip_integers(model: ir.Model) -> int:
    """Q(Clip(x)) is Clip(Q(x)) with the bounds quantized, since rounding keeps the order; the same for Relu.

    The clip cannot be dropped where the range reaches past its bounds: values that are joined share one range.
    """
    count = 0
    for clip in by_type(model, "Clip", "Relu"):
        layer, users = producer(clip.inputs[0], *_WITH_INTEGER_KERNEL), clip.outputs[0].consumers()
        if layer is None or not all(producer(value, "DequantizeLinear") for value in layer.inputs[:2]):
            continue
        if clip.outputs[0].is_graph_output() or len(layer.outputs[0].uses()) > 1:
            continue
        bounds, schemes = clip_bounds(clip), [scheme(user) for user in users if user.op_type == "QuantizeLinear"]
        if not users or len(schemes) < len(users) or np.isnan(bounds).any():
            continue
        if any(found is None or found.scale.size != 1 for found in schemes):
            continue
        for quantize, found in zip(users, schemes, strict=True):
            assert found is not None
            graph, name = quantize.graph, quantize.outputs[0].name
            assert graph is not None
            unclipped = insert(quantize, "QuantizeLinear", [clip.inputs[0], *quantize.inputs[1:]], f"{name}_unclipped")
            limits = [initializer(graph, f"clip_{int(limit)}", limit) for limit in (_stored(b, found) for b in bounds)]
            replace(quantize, insert(quantize, "Clip", [unclipped, *limits], f"{name}_clipped"))
        count += 1
    return count


def _stored(number: float, found: Scheme) -> Array:
    """What QuantizeLinear stores of a number, as a rank-0 array."""
    dtype = np.dtype(np.int8 if found.zero_point.dtype == np.int8 else np.uint8)
    limits = np.iinfo(dtype)
    rounded = np.rint(np.float32(number) / np.float32(found.scale.item())) + found.zero_point.item()
    return np.array(np.clip(rounded, limits.min, limits.max), dtype)


def pad_in_convolutions(model: ir.Model) -> int:
    """A convolution of Q(Pad(x)) with zeros pads Q(x) itself: zero is stored exactly."""
    import onnx_ir as ir

    count = 0
    for conv in by_type(model, "Conv"):
        dequantize = producer(conv.inputs[0], "DequantizeLinear")
        quantize = producer(dequantize.inputs[0], "QuantizeLinear") if dequantize is not None else None
        pad = producer(quantize.inputs[0], "Pad") if quantize is not None else None
        if dequantize is None or quantize is None or pad is None or not same(scheme(quantize), scheme(dequantize)):
            continue
        widths, fill = _widths(pad), _fill(pad)
        if (
            widths is None
            or fill is None
            or np.any(fill)
            or pad.attributes.get_string("mode", "constant") != "constant"
        ):
            continue
        if conv.attributes.get_string("auto_pad", "NOTSET") != "NOTSET" or np.any(widths[:, :2]) or widths.min() < 0:
            continue
        own = conv.attributes.get_ints("pads", [0] * widths[:, 2:].size)
        conv.attributes["pads"] = ir.AttrInt64s("pads", [int(w) for w in widths[:, 2:].reshape(-1) + np.array(own)])
        name = f"{conv.outputs[0].name}_input"
        stored = insert(conv, "QuantizeLinear", [pad.inputs[0], *quantize.inputs[1:]], f"{name}_q")
        conv.replace_input_with(0, insert(conv, "DequantizeLinear", [stored, *dequantize.inputs[1:]], name))
        count += 1
    return count


def pad_integers(model: ir.Model) -> int:
    """Q(Pad(DQ(q))) with one scale and zero point is Pad(q), its constant quantized."""
    count = 0
    for quantize in by_type(model, "QuantizeLinear"):
        pad = producer(quantize.inputs[0], "Pad")
        dequantize = producer(pad.inputs[0], "DequantizeLinear") if pad is not None else None
        found = scheme(quantize)
        if pad is None or dequantize is None or found is None or found.scale.size != 1:
            continue
        fill, graph = _fill(pad), quantize.graph
        if not same(found, scheme(dequantize)) or fill is None or graph is None:
            continue
        name = f"{quantize.outputs[0].name}_padded"
        value = initializer(graph, f"{name}_value", _stored(float(fill), found))
        mode = pad.attributes.get_string("mode", "constant")
        padded = insert(quantize, "Pad", [dequantize.inputs[0], pad.inputs[1], value, *pad.inputs[3:]], name, mode=mode)
        replace(quantize, padded)
        count += 1
    return count


def count_valid_elements(model: ir.Model) -> int:
    """An average pool that pads nothing divides by what is in the image, where `ceil_mode` lets a window leave it.

    The same by ONNX's words; ONNX Runtime's integer kernel divides such windows by their whole size otherwise.
    """
    import onnx_ir as ir

    count = 0
    for pool in by_type(model, "AveragePool"):
        given = pool.attributes
        rounds_up, counts = given.get_int("ceil_mode", 0), given.get_int("count_include_pad", 0)
        if rounds_up and counts and not any(given.get_ints("pads", ())):
            given["count_include_pad"] = ir.AttrInt64("count_include_pad", 0)
            count += 1
    return count


def _widths(pad: ir.Node) -> Array | None:
    """[2, rank]: how much is added before and after each axis; None where computed at run time or for some axes."""
    widths = constant(pad.inputs[1])
    return None if widths is None or len(pad.inputs) > 3 else widths.reshape(2, -1)


def _fill(pad: ir.Node) -> Array | None:
    """The constant that is filled in; None where it is computed at run time."""
    if len(pad.inputs) < 3 or pad.inputs[2] is None:
        return np.zeros((), np.float32)
    return constant(pad.inputs[2])

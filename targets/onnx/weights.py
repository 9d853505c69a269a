"""Rewrites of graphs whose weights alone are integers; the arithmetic stays float, the values the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgeship.targets.onnx.graph import by_type, constant, initializer, insert, producer, replace, scheme

if TYPE_CHECKING:
    import onnx_ir as ir

_FLOAT = 1  # TensorProto.FLOAT
SMALLEST_HALVED = 128
"""Fewer numbers than this save less than the Cast takes."""


def transpose_weights(model: ir.Model) -> int:
    """Transpose(DQ(w)), or Gemm's own transposition of it, becomes DQ(transposed w).

    ONNX Runtime makes MatMulNBits of a DQ that stands right before a MatMul or Gemm.
    """
    count = 0
    for node in by_type(model, "Transpose", "Gemm"):
        index = 0 if node.op_type == "Transpose" else 1
        dequantize = producer(node.inputs[index], "DequantizeLinear")
        if dequantize is None:
            continue
        if node.op_type == "Transpose":
            if list(node.attributes.get_ints("perm", [1, 0])) == [1, 0] and (value := _transposed(dequantize, node)):
                replace(node, value)
                count += 1
        elif node.attributes.get_int("transB", 0) and (value := _transposed(dequantize, node)):
            node.replace_input_with(1, value)
            del node.attributes["transB"]
            count += 1
    return count


def _transposed(dequantize: ir.Node, before: ir.Node) -> ir.Value | None:
    """The dequantized matrix with its axes swapped, in front of `before`; None when it is no constant matrix."""
    parts = [constant(value) for value in dequantize.inputs]
    graph = before.graph
    if any(part is None for part in parts) or graph is None or parts[0] is None or parts[0].ndim != 2:
        return None
    name = f"{before.outputs[0].name}_weight"
    attributes = {"axis": 1 - dequantize.attributes.get_int("axis", 1) % 2}
    if "block_size" in dequantize.attributes:
        attributes["block_size"] = dequantize.attributes.get_int("block_size", 0)
    inputs = []
    for part, role in zip(parts, ("stored", "scale", "zero_point"), strict=False):
        assert part is not None
        # one number per channel has no order to change
        turned = np.ascontiguousarray(part.T) if part.ndim == 2 else part
        inputs.append(initializer(graph, f"{name}_{role}", turned))
    return insert(before, "DequantizeLinear", inputs, f"{name}_float", **attributes)


def halve_constants(model: ir.Model) -> int:
    """float32 constants that hold nothing but half precision numbers are stored so, behind a Cast.

    The exporter folds the program's own casts of small constants; ONNX Runtime folds all of them, at load.
    """
    import onnx_ir as ir

    count = 0
    for name, value in list(model.graph.initializers.items()):
        array = constant(value)
        if array is None or array.dtype != np.float32 or array.size < SMALLEST_HALVED or value.is_graph_output():
            continue
        users = [node for node in model.graph if any(taken is value for taken in node.inputs)]
        half = array.astype(np.float16)
        if not users or len(users) < len(value.uses()) or not np.array_equal(half.astype(np.float32), array):
            continue
        stored = initializer(model.graph, f"{name}_float16", half)
        wide = insert(users[0], "Cast", [stored], f"{name}_float32", to=_FLOAT)
        wide.shape, wide.type = value.shape, value.type
        ir.convenience.replace_all_uses_with(value, wide)
        del model.graph.initializers[name]
        count += 1
    return count


def store_int4(model: ir.Model) -> int:
    """int8 constants of blocked weights that hold -8..7 are stored as int4, two to a byte."""
    import ml_dtypes

    count = 0
    for dequantize in by_type(model, "DequantizeLinear"):
        stored = constant(dequantize.inputs[0])
        graph = dequantize.graph
        if graph is None or stored is None or stored.dtype != np.int8 or "block_size" not in dequantize.attributes:
            continue
        if stored.min() < -8 or stored.max() > 7:
            continue
        name = f"{dequantize.outputs[0].name}"
        dequantize.replace_input_with(0, initializer(graph, f"{name}_int4", stored.astype(ml_dtypes.int4)))
        zeros = constant(dequantize.inputs[2]) if len(dequantize.inputs) > 2 else None
        if zeros is not None:
            if np.any(zeros):
                dequantize.replace_input_with(2, initializer(graph, f"{name}_zeros", zeros.astype(ml_dtypes.int4)))
            else:
                dequantize.resize_inputs(2)
        count += 1
    return count


def dequantize_at_load(model: ir.Model) -> int:
    """DQ(w) of a convolution becomes Cast(w) * scale, which ONNX Runtime folds once, when it loads the file.

    It never folds DequantizeLinear, and without an integer kernel to put it in it would run it at every inference.
    """
    count = 0
    for dequantize in by_type(model, "DequantizeLinear"):
        users = dequantize.outputs[0].consumers()
        if not users or any(user.op_type not in ("Conv", "ConvTranspose") for user in users):
            continue
        count += floats_at_load(dequantize)
    return count


def floats_at_load(dequantize: ir.Node) -> bool:
    """Replace a symmetric DQ(w) by Cast(w) * scale; whether it could be done."""
    found, stored = scheme(dequantize), dequantize.inputs[0]
    integers, graph = constant(stored), dequantize.graph
    if found is None or stored is None or integers is None or graph is None or np.any(found.zero_point):
        return False
    shape = [1] * integers.ndim
    if found.axis is not None:
        shape[found.axis] = -1
    name = f"{dequantize.outputs[0].name}"
    scales = initializer(graph, f"{name}_scale", found.scale.astype(np.float32).reshape(shape))
    floats = insert(dequantize, "Cast", [stored], f"{name}_cast", to=_FLOAT)
    replace(dequantize, insert(dequantize, "Mul", [floats, scales], f"{name}_float"))
    return True

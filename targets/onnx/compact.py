"""What a file carries beside its numbers, made small: of 10 kB most is names, shapes and repeated scales."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeship.targets.onnx.graph import by_type, constant
from edgeship.targets.onnx.saturation import part_zero_points, share_unsigned

if TYPE_CHECKING:
    import onnx_ir as ir

_CONVERSIONS = ("QuantizeLinear", "DequantizeLinear")


def compact(model: ir.Model) -> None:
    """Store equal constants once, short names for quantized values, and nothing that ONNX Runtime knows by itself."""
    from onnx_ir.passes.common import DeduplicateInitializersPass, RemoveUnusedNodesPass

    drop_defaults(model)
    RemoveUnusedNodesPass()(model)
    DeduplicateInitializersPass()(model)
    share_unsigned(model)
    part_zero_points(model)
    RemoveUnusedNodesPass()(model)
    name_conversions(model)
    drop_shapes(model)


def drop_defaults(model: ir.Model) -> None:
    """Remove the axis of a single scale, and of stored int32 numbers zero points that are 0.

    Those of int8 weights stay: without them ONNX Runtime leaves a Gemm in float, and before 1.30 it aborts on x86
    without VNNI when it makes weights unsigned (session.x64quantprecision).
    """
    import onnx_ir as ir

    for node in by_type(model, *_CONVERSIONS):
        scale, stored = constant(node.inputs[1]), node.inputs[0]
        if scale is not None and scale.size == 1 and "block_size" not in node.attributes:
            node.attributes.pop("axis", None)
        if stored is not None and stored.dtype == ir.DataType.INT32 and len(node.inputs) == 3:
            node.resize_inputs(2)


def name_conversions(model: ir.Model) -> None:
    """Call what is stored of x `x_q` and what is read back `x_dq`; Q and DQ nodes themselves need no name."""
    taken = {value.name for node in model.graph.all_nodes() for value in (*node.inputs, *node.outputs) if value}
    bases: dict[ir.Value, str] = {}
    for node in by_type(model, *_CONVERSIONS):
        node.name = None
        value, source = node.outputs[0], node.inputs[0]
        if value.is_graph_output() or source is None or source.name is None:
            continue
        base = bases[value] = bases.get(source, source.name)
        name = wanted = f"{base}_{'q' if node.op_type == 'QuantizeLinear' else 'dq'}"
        count = 1
        while name in taken:
            count += 1
            name = f"{wanted}{count}"
        taken.add(name)
        value.name = name


def drop_shapes(model: ir.Model) -> None:
    """Forget types and shapes that are known without: those of constants, and inner ones of a graph of fixed shapes.

    ONNX Runtime infers these when it loads the file, but not behind operators that are not ONNX's own.
    """
    known = [value for graph in model.graphs() for value in graph.initializers.values()]
    fixed = all(isinstance(dim, int) for value in model.graph.inputs for dim in value.shape or ())
    if fixed and {node.domain for node in model.graph.all_nodes()} == {""}:
        known += [value for node in model.graph.all_nodes() for value in node.outputs]
    for value in known:
        if not value.is_graph_input() and not value.is_graph_output():
            value.shape, value.type = None, None

"""Reading and editing ONNX graphs: constants, quantization parameters, replacing nodes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgeship.toolchain.api import Array


class Scheme(NamedTuple):
    """real = scale * (stored - zero_point); one scale, or one per index of `axis`."""

    scale: Array
    zero_point: Array
    axis: int | None


def constant(value: ir.Value | None) -> Array | None:
    """The value as an array where it is known before the run, behind casts too."""
    import onnx_ir as ir

    if value is None or value.is_graph_input():
        return None
    if (cast := producer(value, "Cast")) is not None:
        inner = constant(cast.inputs[0])
        return None if inner is None else inner.astype(ir.DataType(cast.attributes.get_int("to", 0)).numpy())
    tensor = ir.convenience.get_const_tensor(value)
    return None if tensor is None else tensor.numpy()


def by_type(model: ir.Model, *types: str) -> Iterator[ir.Node]:
    """Nodes of these standard operators, also those inside branches and loops; safe against removal meanwhile."""
    yield from [node for node in model.graph.all_nodes() if node.domain == "" and node.op_type in types]


def producer(value: ir.Value | None, *types: str) -> ir.Node | None:
    """The node that makes the value if it is one of these operators."""
    node = value.producer() if value is not None else None
    return node if node is not None and node.domain == "" and node.op_type in types else None


def scheme(node: ir.Node) -> Scheme | None:
    """Scale and zero point of a QuantizeLinear or DequantizeLinear; None where computed at run time or blocked."""
    scale = constant(node.inputs[1])
    if scale is None or "block_size" in node.attributes:
        return None
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        zero_point = constant(node.inputs[2])
        if zero_point is None:
            return None
    else:
        zero_point = np.zeros_like(scale, np.uint8)
    return Scheme(scale, zero_point, node.attributes.get_int("axis", 1) if scale.size > 1 else None)


def same(left: Scheme | None, right: Scheme | None) -> bool:
    """Whether two schemes map every stored number alike."""
    return (
        left is not None
        and right is not None
        and left.axis == right.axis
        and left.zero_point.dtype == right.zero_point.dtype
        and np.array_equal(left.scale, right.scale)
        and np.array_equal(left.zero_point, right.zero_point)
    )


def clip_bounds(clip: ir.Node) -> tuple[float, float]:
    """Bounds of a Clip or Relu; infinite where it has none, NaN where one is computed at run time."""
    if clip.op_type == "Relu":
        return 0.0, np.inf
    found = []
    for index, missing in ((1, -np.inf), (2, np.inf)):
        value = clip.inputs[index] if len(clip.inputs) > index else None
        bound = constant(value)
        found.append(missing if value is None else np.nan if bound is None else float(bound))
    return found[0], found[1]


def initializer(graph: ir.Graph, name: str, array: Array) -> ir.Value:
    """A constant of this graph; equal constants asked for under one name are shared."""
    import onnx_ir as ir

    known = graph.initializers.get(name)
    if known is not None and known.const_value is not None:
        stored = known.const_value.numpy()
        if stored.dtype == array.dtype and np.array_equal(stored, array):
            return known
        return initializer(graph, f"{name}_", array)
    tensor = ir.tensor(array, name=name)
    value = ir.Value(name=name, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)
    graph.register_initializer(value)
    return value


def insert(
    before: ir.Node, op_type: str, inputs: Sequence[ir.Value | None], name: str, **attributes: int | str
) -> ir.Value:
    """Put a new standard operator before a node; returns its output, named `name`."""
    import onnx_ir as ir

    node = ir.node(op_type, inputs, attributes, name=f"{name}_{op_type}")
    node.outputs[0].name = name
    graph = before.graph
    assert graph is not None
    graph.insert_before(before, node)
    return node.outputs[0]


def replace(node: ir.Node, value: ir.Value) -> None:
    """Let `value` stand for the node's only output, its name as the graph's output included, and drop the node."""
    import onnx_ir as ir

    old = node.outputs[0]
    if value.shape is None:
        value.shape = old.shape
    if value.type is None:
        value.type = old.type
    if old.is_graph_output():
        value.name, old.name = old.name, f"{old.name}_replaced"
    ir.convenience.replace_all_uses_with(old, value, replace_graph_outputs=True)
    graph = node.graph
    assert graph is not None
    graph.remove(node, safe=True)

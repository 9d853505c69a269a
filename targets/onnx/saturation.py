"""Int8 products on x86 without VNNI: what a file and its session need so that they are exact there, too.

By default ONNX Runtime's kernels for such processors (before 2019, AMD's before Zen 4) add pairs of products in 16
bits, which saturate: 34 dB became 11 in a recurrent network. With the session's entry below it makes unsigned weights
instead, but not of a constant that two operators share: that is stored unsigned. ARM, and x86 with VNNI, are exact
either way; ARM takes no notice of the entry, and where VNNI is, agents leave it out (runtime.py): with it, ONNX Runtime
1.32 computes there by slower kernels (1.7 times the time of digits on AMD's Zen 5).
(onnxruntime_session_options_config_keys.h; onnxruntime/core/optimizer/qdq_transformer/s8_to_u8.cc)
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeship.targets.onnx.graph import constant, initializer, producer

if TYPE_CHECKING:
    import onnx_ir as ir

EXACT_PRODUCTS = {"session.x64quantprecision": "1"}
_OF_WEIGHTS = {"DequantizeLinear": (0, 2), "MatMulInteger": (1, 3), "ConvInteger": (1, 3)}
"""Operator → (weight, its zero point) among its inputs."""
_LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_INTEGER = ("MatMulInteger", "ConvInteger")
_MOVES = ("Transpose", "Reshape")


def session_options(model: ir.Model) -> dict[str, Any]:
    """The entry as the agent's options, for a file that ONNX Runtime can load with it: where two operators share an
    int8 constant or its zero point it cannot.
    """
    uses: Counter[int] = Counter()
    for node, index, value in _stored(model):
        uses[id(value)] += len(_users(node)) if _is_weight(node, index) else 1
    return {"config": EXACT_PRODUCTS} if uses and max(uses.values()) == 1 else {}


def share_unsigned(model: ir.Model) -> None:
    """Store an int8 constant that several operators take beside uint8 activations as uint8, its zero point + 128."""
    shared: dict[int, list[ir.Node]] = defaultdict(list)
    for node, index, value in _stored(model):
        if _is_weight(node, index):
            shared[id(value)].append(node)
    for nodes in shared.values():
        taken = [_takes_unsigned(user) for node in nodes for user in _users(node)]
        if len(taken) > 1 and False not in taken and True in taken:
            for node in nodes:
                _unsigned(node)


def _unsigned(node: ir.Node) -> None:
    place, zero_place = _OF_WEIGHTS[node.op_type]
    weight, graph = node.inputs[place], node.graph
    array = constant(weight)
    assert weight is not None
    assert array is not None
    assert graph is not None
    zero = constant(node.inputs[zero_place]) if len(node.inputs) > zero_place else None
    if zero is None:
        scale = constant(node.inputs[1]) if node.op_type == "DequantizeLinear" else None
        zero = np.zeros(() if scale is None else scale.shape, np.int8)
    moved = [(stored.astype(np.int16) + 128).astype(np.uint8) for stored in (array, zero)]
    node.resize_inputs(max(len(node.inputs), zero_place + 1))
    node.replace_input_with(place, initializer(graph, f"{weight.name}_unsigned", moved[0]))
    node.replace_input_with(zero_place, initializer(graph, "zero_point_of_unsigned", moved[1]))


def part_zero_points(model: ir.Model) -> None:
    """Give each int8 weight a zero point of its own, in place."""
    seen: set[int] = set()
    for number, (node, index, value) in enumerate(list(_stored(model))):
        array = constant(value)
        if not _is_weight(node, index) and id(value) in seen and array is not None and node.graph is not None:
            node.replace_input_with(index, initializer(node.graph, f"{value.name}_{number}", array))
        seen.add(id(value))


def _is_weight(node: ir.Node, index: int) -> bool:
    """Whether this input of an operator is the weight, not its zero point."""
    return index == _OF_WEIGHTS[node.op_type][0]


def _users(node: ir.Node) -> list[ir.Node]:
    """What computes with the constant that an operator reads, behind moves; itself, where it dequantizes none."""
    if node.op_type not in ("DequantizeLinear", *_MOVES):
        return [node]
    return [far for near in node.outputs[0].consumers() for far in (_users(near) if near.op_type in _MOVES else [near])]


def _takes_unsigned(user: ir.Node) -> bool | None:
    """Whether its activations are stored as uint8; None where it has none in integers, and takes either."""
    if user.op_type in _INTEGER:
        return producer(user.inputs[0], "DynamicQuantizeLinear") is not None
    read = [producer(value, "DequantizeLinear") for value in user.inputs]
    activations = [each for each in read if each is not None and constant(each.inputs[0]) is None]
    zero_points = [constant(each.inputs[2]) if len(each.inputs) > 2 else None for each in activations]
    if not activations:
        return False if user.op_type in _LAYERS else None
    return all(each is not None and each.dtype == np.uint8 for each in zero_points)


def _stored(model: ir.Model) -> Iterator[tuple[ir.Node, int, ir.Value]]:
    """Every use of a stored int8 weight, and of its zero point: the node, which input, the value."""
    import onnx_ir as ir

    for node in model.graph.all_nodes():
        for index in _OF_WEIGHTS.get(node.op_type, ()):
            value = node.inputs[index] if index < len(node.inputs) else None
            if value is None or constant(value) is None or value.const_value is None:
                break
            if value.const_value.dtype == ir.DataType.INT8:
                yield node, index, value

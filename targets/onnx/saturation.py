"""Int8 products on x86 without VNNI: what a file and its session need so that they are exact there, too.

By default ONNX Runtime's kernels for such processors (before 2019, AMD's before Zen 4) add pairs of products in 16
bits, which saturate: 34 dB became 11 in a recurrent network. With the session's entry below it makes unsigned weights
instead. ARM, and x86 with VNNI, are exact either way and take no notice of it.
(onnxruntime_session_options_config_keys.h; onnxruntime/core/optimizer/qdq_transformer/s8_to_u8.cc)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from edgeship.targets.onnx.graph import constant, initializer

if TYPE_CHECKING:
    import onnx_ir as ir

EXACT_PRODUCTS = {"session.x64quantprecision": "1"}
COPIED_BYTES = 4096
"""Weights that several layers share become a copy each up to this size; larger ones stay shared, for size's sake."""
_OF_WEIGHTS = {"DequantizeLinear": ((0, 2),), "MatMulInteger": ((1, 3),), "ConvInteger": ((1, 3),)}
"""Operator → (weight, its zero point) among its inputs."""


def session_options(model: ir.Model) -> dict[str, Any]:
    """The entry as the agent's options, for a file that ONNX Runtime can load with it: where two layers share an int8
    weight or its zero point it cannot.
    """
    uses = Counter(id(value) for _, _, value in _stored(model))
    return {"config": EXACT_PRODUCTS} if uses and max(uses.values()) == 1 else {}


def part_weights(model: ir.Model) -> None:
    """Give each layer its own int8 weight and zero point, where several share a small one, in place."""
    seen: set[int] = set()
    for node, index, value in list(_stored(model)):
        array = constant(value)
        if id(value) in seen and array is not None and array.nbytes <= COPIED_BYTES and node.graph is not None:
            node.replace_input_with(index, initializer(node.graph, f"{value.name}_{len(seen)}", array))
        seen.add(id(value))


def _stored(model: ir.Model) -> Iterator[tuple[ir.Node, int, ir.Value]]:
    """Every use of a stored int8 weight, and of its zero point: the node, which input, the value."""
    import onnx_ir as ir

    for node in model.graph.all_nodes():
        for weight, zero_point in _OF_WEIGHTS.get(node.op_type, ()):
            for index in (weight, zero_point):
                value = node.inputs[index] if index < len(node.inputs) else None
                if value is None or constant(value) is None or value.const_value is None:
                    break
                if value.const_value.dtype == ir.DataType.INT8:
                    yield node, index, value

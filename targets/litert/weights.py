"""Rewrites of the constants in a .tflite model: weights of hybrid operators, float16 storage."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeship.targets.litert.rewrites import add_float_twin, dtype_name, new_operator, operator_name
from edgeship.targets.litert.upstream import schema

HYBRID = frozenset({"FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D"})
"""Operators that take float activations, quantize them at run time and multiply them with integer weights."""
LOOKUPS = frozenset({"EMBEDDING_LOOKUP"})
"""Operators that dequantize only the rows they read: always better than dequantizing the table."""
WEIGHTS = 1
"""The position of the weights, or the table, among the inputs of all of these."""
SMALLEST_HALF = 128
"""Constants with fewer elements stay float32: a DEQUANTIZE would cost as much as it saves."""


def use_integer_weights(model: Any, names: frozenset[str]) -> int:
    """Let each operator among `names` take its integer weights as they are; returns how many do.

    The converter writes a constant, a DEQUANTIZE and the float operator.
    """
    changed = 0
    for graph in model.subgraphs:
        integers = {
            operator.outputs[0]: operator.inputs[0]
            for operator in graph.operators
            if operator_name(model, operator) == "DEQUANTIZE" and _is_constant(model, graph, operator.inputs[0])
        }
        for operator in graph.operators:
            name = operator_name(model, operator)
            if name in names and operator.inputs[WEIGHTS] in integers:
                operator.inputs[WEIGHTS] = integers[operator.inputs[WEIGHTS]]
                changed += 1
        drop_unread(model, graph)
    return changed


def drop_unread(model: Any, graph: Any) -> None:
    """Remove DEQUANTIZE operators whose result nothing reads."""
    read = {index for operator in graph.operators for index in operator.inputs} | set(graph.outputs)
    graph.operators = [
        operator
        for operator in graph.operators
        if operator_name(model, operator) != "DEQUANTIZE" or operator.outputs[0] in read
    ]


def store_constants_as_float16(model: Any) -> int:
    """Make each large float32 constant a float16 one behind a DEQUANTIZE; returns how many.

    XNNPACK unpacks them when it loads the file. Exact for constants that are float16 values; what the converter
    folded out of several is rounded. A constant that float16 cannot hold stays.
    """
    changed = 0
    for graph in model.subgraphs:
        unpacked: dict[int, int] = {}
        head = []
        for index, tensor in enumerate(list(graph.tensors)):
            if dtype_name(tensor) != "float32" or not _is_constant(model, graph, index):
                continue
            values = np.frombuffer(bytes(model.buffers[tensor.buffer].data), np.float32)
            with np.errstate(over="ignore"):
                half = values.astype(np.float16)
            if values.size < SMALLEST_HALF or not np.isfinite(half).all():
                continue
            unpacked[index] = add_float_twin(graph, index, ";float")
            # tensors may share a buffer: each gets its own
            model.buffers.append(schema().BufferT(data=half.view(np.uint8)))
            tensor.buffer = len(model.buffers) - 1
            tensor.type = schema().TensorType.FLOAT16
            head.append(new_operator(model, "DEQUANTIZE", [index], [unpacked[index]], 3))
        for operator in graph.operators:
            operator.inputs = [unpacked.get(index, index) for index in operator.inputs]
        graph.operators = head + list(graph.operators)
        changed += len(unpacked)
    return changed


def _is_constant(model: Any, graph: Any, index: int) -> bool:
    data = model.buffers[graph.tensors[index].buffer].data
    return data is not None and len(data) > 0

"""Transposed convolutions in integers: the converter leaves them in float between DEQUANTIZE and QUANTIZE.

It also forgets that their weights were quantized. So it is given rounded ones, and the operators are joined in the file
that it makes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgeship.targets.litert.rewrites import dtype_name, new_operator, operator_name
from edgeship.targets.litert.upstream import schema
from edgeship.toolchain.api import Array

if TYPE_CHECKING:
    from torch.export import ExportedProgram

WEIGHTS, VALUE, BIAS = 1, 2, 3
"""Positions among the inputs of TRANSPOSE_CONV; its weights are [out, height, width, in]."""
_DECOMPOSED = "quantized_decomposed"
WITH_BIAS = 3
"""The version of TRANSPOSE_CONV that adds a bias; int8 came before."""


def take_rounded_weights(program: ExportedProgram) -> int:
    """Let transposed convolutions read their rounded float weights (`prepare.round_weights`), in place; how many."""
    taken = 0
    for node in program.graph.nodes:
        if not str(node.target).startswith("aten.conv_transpose"):
            continue
        dequantize = node.args[1]
        quantize = dequantize.args[0] if str(dequantize.target).startswith(f"{_DECOMPOSED}.dequantize_per_c") else None
        if quantize is not None and str(quantize.target).startswith(f"{_DECOMPOSED}.quantize_per_channel"):
            node.update_arg(1, quantize.args[0])
            taken += 1
    program.graph.eliminate_dead_code()
    program.graph_module.recompile()
    return taken


def transpose_convolutions_in_integers(model: Any) -> int:
    """Join DEQUANTIZE → TRANSPOSE_CONV → QUANTIZE to one int8 operator, in place; returns how many.

    Only where the float weights are integers times one scale per output channel, as a quantized program's are: what a
    recipe leaves in float stays so. Biases are rounded to steps of input scale times weight scale.
    """
    joined = 0
    for graph in model.subgraphs:
        makers = {index: operator for operator in graph.operators for index in operator.outputs}
        for operator in list(graph.operators):
            if operator_name(model, operator) != "TRANSPOSE_CONV":
                continue
            before = makers.get(operator.inputs[VALUE])
            readers = [reader for reader in graph.operators if operator.outputs[0] in reader.inputs]
            if not _is(model, before, "DEQUANTIZE") or len(readers) != 1 or operator.outputs[0] in graph.outputs:
                continue
            if _is(model, readers[0], "QUANTIZE") and _join(model, graph, operator, before, readers[0]):
                graph.operators.remove(readers[0])
                joined += 1
        read = {index for operator in graph.operators for index in operator.inputs} | set(graph.outputs)
        graph.operators = [
            operator
            for operator in graph.operators
            if operator_name(model, operator) != "DEQUANTIZE" or operator.outputs[0] in read
        ]
    return joined


def integers_of(weights: Array) -> tuple[Array, Array] | None:
    """int8 integers and float32 scales [out] whose products are these weights [out, …]; None where there are none."""
    rows = weights.reshape(len(weights), -1).astype(np.float64)
    largest = np.abs(rows).max(1)
    scales = np.where(largest > 0, largest, largest.max() or 1.0) / 127
    exact = rows / scales[:, None]
    integers = np.rint(exact)
    if np.abs(exact - integers).max() > 1e-3:
        return None
    return integers.astype(np.int8).reshape(weights.shape), scales.astype(np.float32)


def _join(model: Any, graph: Any, operator: Any, before: Any, after: Any) -> bool:
    stored, result = before.inputs[0], after.outputs[0]
    weights = _floats(model, graph, operator.inputs[WEIGHTS])
    has_bias = len(operator.inputs) > BIAS and operator.inputs[BIAS] >= 0
    bias = _floats(model, graph, operator.inputs[BIAS]) if has_bias else None
    if dtype_name(graph.tensors[stored]) != "int8" or dtype_name(graph.tensors[result]) != "int8" or weights is None:
        return False
    found = integers_of(weights)
    if found is None or (has_bias and bias is None):
        return False
    integers, scales = found
    inputs = [operator.inputs[0], _constant(model, graph, operator.inputs[WEIGHTS], integers, scales), stored]
    if bias is not None:
        steps = scales.astype(np.float64) * graph.tensors[stored].quantization.scale[0]
        units = np.rint(bias / steps)
        if np.abs(units).max() > np.iinfo(np.int32).max:
            return False
        inputs.append(_constant(model, graph, operator.inputs[BIAS], units.astype(np.int32), steps))
    code = new_operator(model, "TRANSPOSE_CONV", [], [], max(_version(model, operator), WITH_BIAS))
    operator.opcodeIndex, operator.inputs, operator.outputs = code.opcodeIndex, inputs, [result]
    return True


def _is(model: Any, operator: Any, name: str) -> bool:
    return operator is not None and operator_name(model, operator) == name


def _version(model: Any, operator: Any) -> int:
    version: int = model.operatorCodes[operator.opcodeIndex].version
    return version


def _floats(model: Any, graph: Any, index: int) -> Array | None:
    """A float32 constant."""
    tensor = graph.tensors[index]
    data = model.buffers[tensor.buffer].data
    if dtype_name(tensor) != "float32" or data is None or not len(data):
        return None
    return np.frombuffer(bytes(data), np.float32).reshape(tensor.shape)


def _constant(model: Any, graph: Any, like: int, values: Array, scales: Array) -> int:
    """Add integers with one scale per index of axis 0; returns the tensor's index."""
    kinds = schema().TensorType
    model.buffers.append(schema().BufferT(data=values.reshape(-1).view(np.uint8)))
    graph.tensors.append(
        schema().TensorT(
            shape=list(values.shape),
            hasRank=True,
            type=kinds.INT8 if values.dtype == np.int8 else kinds.INT32,
            buffer=len(model.buffers) - 1,
            name=graph.tensors[like].name + b";integer",
            quantization=schema().QuantizationParametersT(
                scale=scales.astype(np.float32), zeroPoint=np.zeros(len(scales), np.int64), quantizedDimension=0
            ),
        )
    )
    return len(graph.tensors) - 1

"""What a .tflite file holds: inputs and outputs, operators and the numbers they compute in, constants by size."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from edgeship.targets.litert.constants import constants
from edgeship.targets.litert.rewrites import dtype_name, operator_name
from edgeship.targets.litert.upstream import placement, read_flatbuffer
from edgeship.toolchain.api import Computing, EdgeshipError, Quantization, Tensor, by_dtype, missing_extra

__all__ = ["constants", "inspect_file"]

MOVES_DATA = frozenset(
    """
    QUANTIZE DEQUANTIZE CAST RESHAPE TRANSPOSE PAD PADV2 MIRROR_PAD CONCATENATION GATHER GATHER_ND SLICE
    STRIDED_SLICE SPLIT SPLIT_V PACK UNPACK EXPAND_DIMS SQUEEZE SHAPE BROADCAST_TO BROADCAST_ARGS TILE FILL RANGE
    EMBEDDING_LOOKUP SPACE_TO_DEPTH DEPTH_TO_SPACE REVERSE_V2 SCATTER_ND DYNAMIC_UPDATE_SLICE ZEROS_LIKE RANK WHILE
    IF CALL_ONCE VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE STABLEHLO_COMPOSITE
    """.split()  # noqa: SIM905
)
"""Operators that compute nothing: they copy, index or convert."""
LARGEST = 20


def read_model(path: Path) -> Any:
    """The file as a mutable model; EdgeshipError when it is not a .tflite file."""
    try:
        return read_flatbuffer(path.read_bytes())
    except ImportError as error:
        raise missing_extra("litert", "ai-edge-litert") from error
    except Exception as error:  # the flatbuffer reader trusts its input: any error means a broken file
        raise EdgeshipError(f"{path}: not a readable .tflite file ({error})", "convert the model again") from error


def inspect_file(path: Path) -> dict[str, Any]:
    """Inputs, outputs, operators, dtypes, largest constants and what XNNPACK takes on this host."""
    model = read_model(path)
    inputs, outputs = tensors(model)
    constants = sorted(_constants(model), key=lambda constant: (-constant[2], constant[0]))
    taken = placement(path)
    return {
        "format": "litert",
        "inputs": [tensor.model_dump(mode="json") for tensor in inputs],
        "outputs": [tensor.model_dump(mode="json") for tensor in outputs],
        "operators": operators(model),
        "dtypes": by_dtype(computing(model)),
        "weight_bytes": weight_bytes(model),
        "largest": [[name, size] for name, _, size in constants[:LARGEST]],
        "backends": {
            "xnnpack": taken.taken,
            "reference": taken.left,
            "partitions": taken.partitions,
            "reference_operators": taken.left_ops,
        },
        "minimum_version": minimum_version(model),
    }


def operators(model: Any) -> dict[str, int]:
    """Operator name → how many, most frequent first."""
    counted = Counter(operator_name(model, operator) for graph in model.subgraphs for operator in graph.operators)
    return dict(counted.most_common())


def computing(model: Any) -> Computing:
    """Operators that compute, by name and dtype.

    An operator with float activations and integer weights (hybrid, dynamic range) multiplies integers: int8.
    """
    counted: Computing = Counter()
    for graph in model.subgraphs:
        for operator in graph.operators:
            name = operator_name(model, operator)
            if name in MOVES_DATA:
                continue
            operands = [dtype_name(graph.tensors[index]) for index in operator.inputs if index >= 0]
            result = dtype_name(graph.tensors[operator.outputs[0]]) if operator.outputs else "none"
            integer_weights = len(operands) > 1 and operands[0] == "float32" and operands[1] in ("int8", "int4")
            if integer_weights:
                counted[name, "int8"] += 1
            else:
                counted[name, operands[0] if result == "bool" and operands else result] += 1
    return counted


def weight_bytes(model: Any) -> dict[str, int]:
    """Bytes of constants by dtype."""
    sizes: Counter[str] = Counter()
    for _, dtype, size in _constants(model):
        sizes[dtype] += size
    return dict(sizes.most_common())


def _constants(model: Any) -> list[tuple[str, str, int]]:
    found = {}  # by buffer: tensors may share one
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            data = model.buffers[tensor.buffer].data
            if data is not None and len(data):
                found[tensor.buffer] = ((tensor.name or b"").decode(), dtype_name(tensor), len(data))
    return list(found.values())


def tensors(model: Any) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Inputs and outputs under the names of the first signature, or of the tensors where there is none."""
    graph = model.subgraphs[0]
    if model.signatureDefs:
        signature = model.signatureDefs[0]
        pairs = [
            [(entry.name.decode(), entry.tensorIndex) for entry in entries]
            for entries in (signature.inputs or [], signature.outputs or [])
        ]
    else:
        pairs = [[(graph.tensors[i].name.decode(), i) for i in ends] for ends in (graph.inputs, graph.outputs)]
    inputs, outputs = (tuple(_tensor(name, graph.tensors[index]) for name, index in named) for named in pairs)
    return inputs, outputs


def _tensor(name: str, tensor: Any) -> Tensor:
    fixed = [] if tensor.shape is None else list(tensor.shape)
    signature = fixed if tensor.shapeSignature is None else list(tensor.shapeSignature)
    shape = tuple("?" if size < 0 else int(size) for size in signature)
    parameters = tensor.quantization
    quantization = None
    if parameters is not None and parameters.scale is not None and len(parameters.scale) == 1:
        quantization = Quantization(scale=float(parameters.scale[0]), zero_point=int(parameters.zeroPoint[0]))
    return Tensor(name=name, dtype=dtype_name(tensor), shape=shape, quantization=quantization)


def minimum_version(model: Any) -> str:
    """The oldest TensorFlow Lite runtime that has every operator version in the file, as its converter wrote it."""
    for entry in model.metadata or []:
        if entry.name == b"min_runtime_version":
            return bytes(model.buffers[entry.buffer].data).rstrip(b"\0").decode()
    return "unknown"

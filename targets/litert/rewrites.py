"""Exact rewrites of a .tflite model: names, and float islands for what int8 makes slow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgeship.targets.litert.upstream import operator_names, schema, tensor_type_names
from edgeship.toolchain.api import ExportError

UNDELEGATED_IN_INT8 = frozenset({"HARD_SWISH", "GELU", "SOFTMAX"})
"""XNNPACK takes these in float only; left in int8 each one ends a partition and runs on a reference kernel.

That of SOFTMAX would take no other scale than 1/256, too coarse for weights that are all small. Five convolutions of
size 1 with GELU between, as float islands ÷ in int8: 0.74 at 56 × 56 and 14 × 14, 0.79 at 4 × 4.
"""


def operator_name(model: Any, operator: Any) -> str:
    """CONV_2D, or a custom operator's own name."""
    code = model.operatorCodes[operator.opcodeIndex]
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    name = operator_names()[number]
    return code.customCode.decode() if name == "CUSTOM" and code.customCode else name


def dtype_name(tensor: Any) -> str:
    """float32, int8, int4 …"""
    return tensor_type_names()[tensor.type]


def rename_inputs_and_outputs(model: Any, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Give the signature and the tensors of the main graph these names, in positional order.

    The converter was given the names of the inputs; it called the outputs output_0, output_1 …
    """
    signature, graph = model.signatureDefs[0], model.subgraphs[0]
    for kind, maps, names in (("input", signature.inputs, inputs), ("output", signature.outputs, outputs)):
        if len(maps) != len(names):
            raise ExportError(
                f"the converter kept {len(maps)} of {len(names)} {kind}s",
                f"remove the {kind}s that the model does not use, or return each tensor once",
            )
    # the converter sorts a signature by name: positions are told by the names it was given
    taken = {entry.name.decode(): entry for entry in signature.inputs}
    given = {entry.name.decode(): entry for entry in signature.outputs}
    signature.inputs = [taken[name] for name in inputs]
    signature.outputs = [given[f"output_{index}"] for index in range(len(outputs))]
    graph.inputs = [entry.tensorIndex for entry in signature.inputs]
    graph.outputs = [entry.tensorIndex for entry in signature.outputs]
    for entry, name in zip([*signature.inputs, *signature.outputs], [*inputs, *outputs], strict=True):
        entry.name = name.encode()
        graph.tensors[entry.tensorIndex].name = name.encode()


def shorten_tensor_names(model: Any) -> None:
    """Keep of each inner tensor's name the module path it came from: no class names, hence nothing of whose code."""
    for graph in model.subgraphs:
        borders = {*graph.inputs, *graph.outputs}
        seen: dict[str, int] = {}
        for index, tensor in enumerate(graph.tensors):
            if index in borders:
                continue
            # 'model/features/0;;model/features/2;1': fused from several; the last is where it began
            paths = [part for part in (tensor.name or b"").decode().split(";") if part and not part.isdigit()]
            name = paths[-1].removeprefix("_") if paths else "constant"
            seen[name] = seen.get(name, -1) + 1
            tensor.name = (f"{name};{seen[name]}" if seen[name] else name).encode()


def compute_in_float(model: Any, names: frozenset[str] = UNDELEGATED_IN_INT8) -> int:
    """Make each int8 operator among `names` DEQUANTIZE → float operator → QUANTIZE; returns how many.

    Exact up to the rounding of the int8 kernel that it replaces: the result is the float operator's, quantized once.
    """
    changed = 0
    for graph in model.subgraphs:
        operators = []
        dequantized: dict[int, int] = {}
        for operator in graph.operators:
            quantized = [index for index in operator.inputs if index >= 0 and _is_quantized(graph.tensors[index])]
            if operator_name(model, operator) not in names or not quantized:
                operators.append(operator)
                continue
            for index in quantized:
                if index not in dequantized:
                    dequantized[index] = add_float_twin(graph, index, ";float")
                    operators.append(new_operator(model, "DEQUANTIZE", [index], [dequantized[index]], 2))
            results = [add_float_twin(graph, index, ";float") for index in operator.outputs]
            after = [
                new_operator(model, "QUANTIZE", [result], [index], 1)
                for result, index in zip(results, operator.outputs, strict=True)
            ]
            # operator versions are per type of operand: the float kernel is version 1
            operator.opcodeIndex = _operator_code(model, operator_name(model, operator), 1)
            operator.inputs = [dequantized.get(index, index) for index in operator.inputs]
            operator.outputs = results
            operators += [operator, *after]
            changed += 1
        graph.operators = operators
    return changed


def _is_quantized(tensor: Any) -> bool:
    return dtype_name(tensor) in ("int8", "uint8") and tensor.quantization is not None and bool(_scales(tensor))


def _scales(tensor: Any) -> list[float]:
    scale = tensor.quantization.scale if tensor.quantization is not None else None
    return [] if scale is None else list(scale)


def add_float_twin(graph: Any, index: int, suffix: str) -> int:
    """Add a float32 tensor of the same shape; returns its index."""
    original = graph.tensors[index]
    twin = schema().TensorT(
        shape=original.shape,
        shapeSignature=original.shapeSignature,
        hasRank=original.hasRank,
        type=schema().TensorType.FLOAT32,
        name=original.name + suffix.encode(),
    )
    graph.tensors.append(twin)
    return len(graph.tensors) - 1


def new_operator(model: Any, name: str, inputs: list[int], outputs: list[int], version: int) -> Any:
    """An operator without options; the version says which dtypes it takes (TFLite's register of versions)."""
    return schema().OperatorT(opcodeIndex=_operator_code(model, name, version), inputs=inputs, outputs=outputs)


def _operator_code(model: Any, name: str, version: int) -> int:
    """The index of an operator code, added when the model has none of this name and version."""
    number = getattr(schema().BuiltinOperator, name)
    for index, code in enumerate(model.operatorCodes):
        if max(code.builtinCode, code.deprecatedBuiltinCode) == number and code.version == version:
            return index
    # the deprecated field is what old runtimes read; it is a signed byte
    code = schema().OperatorCodeT(builtinCode=number, deprecatedBuiltinCode=min(number, 127), version=version)
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1

"""Parts of a float input that the program quantizes each in its own way: each from the float numbers, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgeship.targets.litert.rewrites import new_operator, operator_name

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.fx import Node

Grid = tuple[float, int]
"""Scale, as a float32 number, and zero point."""
_MOVES = (
    *("unbind", "slice", "select", "split", "split_with_sizes", "chunk", "narrow", "view", "reshape", "flatten"),
    *("permute", "transpose", "t", "unsqueeze", "squeeze", "expand", "clone", "contiguous", "alias", "getitem"),
)


def grids(program: ExportedProgram) -> set[Grid]:
    """How a program quantizes its inputs or parts of them."""
    inputs = set(program.graph_signature.user_inputs)
    return {
        (float(np.float32(node.args[1])), int(node.args[2]))
        for node in program.graph.nodes
        if str(node.target).startswith("quantized_decomposed.quantize_per_tensor.") and _moved(node.args[0]) in inputs
    }


def _moved(node: Node) -> str:
    """The name of what a node's numbers come from, unchanged."""
    while node.op == "call_function" and _operator(node) in _MOVES:
        node = node.all_input_nodes[0]
    return node.name


def _operator(node: Node) -> str:
    return str(getattr(node.target, "__name__", "")).partition(".")[0]


def quantize_once(model: Any, known: set[Grid]) -> int:
    """Let every QUANTIZE of a quantized input to one of these grids read the float input; returns how many.

    The converter quantizes an input for one of its readers and quantizes the result again for the others: an input in
    steps of 0.049 was rounded to steps of 0.023 afterwards, 33.5 dB in place of 54 in an unrolled recurrent network.
    """
    changed = 0
    graph = model.subgraphs[0]
    outer = {
        each.outputs[0]: each.inputs[0]
        for each in graph.operators
        if operator_name(model, each) == "QUANTIZE" and each.inputs[0] in list(graph.inputs)
    }
    for position, operator in enumerate(graph.operators):
        if operator_name(model, operator) == "QUANTIZE" and operator.inputs[0] in outer:
            given = graph.tensors[operator.outputs[0]].quantization
            if (float(given.scale[0]), int(given.zeroPoint[0])) in known:
                source = outer[operator.inputs[0]]
                graph.operators[position] = new_operator(model, "QUANTIZE", [source], [operator.outputs[0]], 1)
                changed += 1
    return changed

"""Optimization barriers: what the program keeps apart stays apart, where the converter would merge it."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.fx import Node

_SEEN_THROUGH = ("aten.view", "aten.unsqueeze", "aten.squeeze", "aten.clone", "quantized_decomposed.")
"""What may stand between an expand and a transpose that are merged."""
_PIECES = ("aten.slice", "aten.select", "aten.permute", "aten.transpose")
"""What may stand between joined numbers and the quantizer of some of them."""
_OF_ONE_SCALE = ("aten.where.self", "aten.amax.default", "aten.maximum.default", "aten.minimum.default",
                 "aten._softmax.default")  # fmt: skip
"""Operators that TFLite computes, or begins to compute, with one scale for all they take and give."""
_QUANTIZE = "quantized_decomposed.quantize_per_tensor.default"
_DEQUANTIZE = "quantized_decomposed.dequantize_per_tensor.default"


def keep_apart(program: ExportedProgram, barrier: Any) -> None:
    """Part, in place, whatever the converter would merge wrongly; `barrier` is its operator for that."""
    _keep_transposes(program, barrier)
    _keep_scales(program, barrier)
    _keep_floats(program, barrier)
    _keep_joined(program, barrier)
    program.graph_module.recompile()


def _keep_transposes(program: ExportedProgram, barrier: Any) -> None:
    """Part what is expanded from the transpose that follows, in place.

    The converter makes one broadcast of the two and forgets the order of its dimensions: a wrong result where their
    sizes are equal, a file that cannot be loaded where they are not.
    """
    import torch

    aten = torch.ops.aten
    for node in [node for node in program.graph.nodes if node.target is aten.permute.default]:
        source = node.args[0]
        while str(source.target).startswith(_SEEN_THROUGH):
            source = source.args[0]
        if source.target is aten.expand.default:
            _part(node.args[0], node, barrier)


def _keep_scales(program: ExportedProgram, barrier: Any) -> None:
    """Part from its dequantized operands, in place, an operator whose scales the program does not make equal.

    The converter would quantize the rest with the scale of one operand: minus infinity, which hides scores of an
    attention, as the lowest number of their grid.
    """
    for node in list(program.graph.nodes):
        dequantized = [each for each in node.all_input_nodes if str(each.target) == _DEQUANTIZE]
        if dequantized and _has_other_scales(node):
            for each in dequantized:
                _part(each, node, barrier)


def _keep_floats(program: ExportedProgram, barrier: Any) -> None:
    """Part what is quantized for one reader from the others, in place: the converter would give them the rounded one.

    So a recurrent network's state, kept in float and read by a quantized layer, came out in 8 bits.
    """
    for node in list(program.graph.nodes):
        readers = [user for user in node.users if str(user.target) != _QUANTIZE]
        if readers and len(readers) < len(node.users) and node.op == "call_function":
            for reader in readers:
                _part(node, reader, barrier)


def _keep_joined(program: ExportedProgram, barrier: Any) -> None:
    """Part the quantizer of joined floats, or of a piece of them, from what it quantizes, in place.

    The converter would quantize each of what is joined: of the last output of a recurrent network, all steps.
    """
    for node in list(program.graph.nodes):
        if str(node.target) != _QUANTIZE:
            continue
        source = node.args[0]
        while str(source.target).startswith((*_SEEN_THROUGH, *_PIECES)) and str(source.target) != _DEQUANTIZE:
            source = source.args[0]
        joined = str(source.target) == "aten.cat.default"
        if joined and not any(str(each.target) == _DEQUANTIZE for each in source.all_input_nodes):
            _part(node.args[0], node, barrier)


def _has_other_scales(node: Node) -> bool:
    if str(node.target) not in _OF_ONE_SCALE:
        return False
    readers = [each if str(each.target) == _QUANTIZE else None for each in node.users]
    operands = node.args[1:] if str(node.target) == "aten.where.self" else node.all_input_nodes
    return len({_grid(each) for each in (*operands, *readers)}) > 1


def _grid(node: Any) -> tuple[float, int] | None:
    """Scale and zero point of a number that is quantized or was."""
    if str(getattr(node, "target", "")) not in (_QUANTIZE, _DEQUANTIZE):
        return None
    return float(node.args[1]), int(node.args[2])


def _part(source: Node, reader: Node, barrier: Any) -> None:
    graph, value = reader.graph, source.meta["val"]
    with graph.inserting_before(reader):
        # of a single tensor the converter makes no list
        both = graph.call_function(barrier, ([source, source],))
        kept = graph.call_function(operator.getitem, (both, 0))
    both.meta["val"], kept.meta["val"] = [value, value], value
    reader.replace_input_with(source, kept)

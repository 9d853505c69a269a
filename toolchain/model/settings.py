"""What a program's operators are told beside their operands: strides and groups of its layers, epsilons, axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgeship.toolchain.inventory import Setting, convolution
from edgeship.toolchain.model.nodes import alive, name_of

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.fx import Node

_CONVOLUTION = {"aten.convolution": (3, 4, 5, 8)}
_CONVOLUTION |= {f"aten.conv{rank}d": (3, 4, 5, 6) for rank in (1, 2, 3)}
"""Operators → where stride, padding, dilation and groups stand among the arguments; not the transposed ones, which
formats tell otherwise."""
_LOOKED_THROUGH = ("quantized_decomposed.quantize", "quantized_decomposed.dequantize", "aten.clone", "aten.alias")


def layer_settings(node: Node) -> dict[str, tuple[int, ...]]:
    """Of a convolution; its padding is left out where a target may merge it with another."""
    positions = _CONVOLUTION.get(name_of(node))
    if positions is None:
        return {}
    given: list[Any] = [node.args[at] if at < len(node.args) else None for at in positions]
    stride, padding, dilation, groups = given
    rank = node.args[1].meta["val"].dim() - 2  # type: ignore[union-attr]
    named = isinstance(padding, str) or "pad" in name_of(_source(node.args[0]))
    return convolution(
        _each(stride, 1, rank), None if named else 2 * _each(padding, 0, rank), _each(dilation, 1, rank), groups or 1
    )


def _each(value: Any, default: int, rank: int) -> list[int]:
    items = list(value) if isinstance(value, list | tuple) else [default if value is None else value]
    return items * rank if len(items) == 1 else items


def _source(node: Any) -> Any:
    while name_of(node).startswith(_LOOKED_THROUGH):
        node = node.args[0]
    return node


def numbers(program: ExportedProgram) -> dict[Setting, set[float]]:
    """What a file may say: as a number and as an epsilon every one that an operator is given, by default where none
    is, or that is stored alone; as a softmax's axis those of the program, counted from the front and from the end."""
    import torch

    given, axes = {float(torch.finfo(torch.float32).eps)}, set[float]()  # rms_norm's own
    graphs = [each for each in program.graph_module.modules() if isinstance(each, torch.fx.GraphModule)]
    for node in (node for graph in graphs for node in alive(graph) if node.op == "call_function"):
        schema = getattr(node.target, "_schema", None)
        left = schema.arguments[len(node.args) :] if schema else []
        defaults = [each.default_value for each in left if each.name not in node.kwargs]
        given |= {each for each in (*node.args, *node.kwargs.values(), *defaults) if isinstance(each, int | float)}
        name = name_of(node)
        if "softmax" in name and len(node.args) > 1:
            rank, axis = node.args[0].meta["val"].dim(), int(node.args[1])  # type: ignore
            axes |= {axis % rank, axis % rank - rank}
        elif "attention" in name:
            axes |= {-1, node.args[0].meta["val"].dim() - 1}  # type: ignore[union-attr]
    stored = [*program.state_dict.values(), *program.constants.values()]
    given |= {float(each.detach()) for each in stored if isinstance(each, torch.Tensor) and each.numel() == 1}
    return {"number": given, "epsilon": given, "softmax axis": axes}


def told(found: float, wanted: float) -> bool:
    """Equal, as a half-precision number too; the least of these stands for what is less."""
    least = float(np.finfo(np.float16).smallest_subnormal)
    with np.errstate(over="ignore"):
        rounded = {float(kind(wanted)) for kind in (float, np.float32, np.float16)}
    return found in rounded or 0 < wanted < found == least

"""A float16 program that computes in float16, made from one that only stores its weights so."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

from edgeship.toolchain.api import Context, export

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram
    from torch.fx import GraphModule

LARGEST = 65504.0
LEAST_SQNR_DB = 30.0
"""Below this against the stored program half arithmetic lost something: a healthy net has 50 dB and more."""


def in_half_arithmetic(program: ExportedProgram, context: Context) -> ExportedProgram | None:
    """Inputs cast to float16, everything computed in float16, outputs cast back; None where that breaks the numbers.

    It breaks them when a weight does not fit in float16, when a sum overflows, or when an operator insists on float32.
    """
    import torch

    module = program.module(check_guards=False)
    try:
        _to_half(module)
        half = export(module, context.example, context.signature)
        with torch.no_grad():
            expected, answer = (p.module()(*context.example) for p in (program, half))
    except Exception:  # an operator without a float16 form: the float program is right, only larger in work
        return None
    good = all(_sqnr_db(a, b) >= LEAST_SQNR_DB for a, b in zip(expected, answer, strict=True))
    return half if good else None


def _to_half(module: GraphModule) -> None:
    import torch

    aten, graph = torch.ops.aten, module.graph

    def cast(value: torch.fx.Node, dtype: torch.dtype) -> torch.fx.Node:
        return graph.call_function(aten.to.dtype, (value, dtype))

    for node in list(graph.nodes):
        if node.op == "placeholder" and _is_float32(node):
            with graph.inserting_after(node):
                half = cast(node, torch.float16)
            node.replace_all_uses_with(half, delete_user_cb=lambda user, half=half: user is not half)
        elif node.op == "get_attr":
            value = operator.attrgetter(node.target)(module)
            if isinstance(value, torch.Tensor) and value.dtype == torch.float32:
                if not value.half().isfinite().all():
                    raise ValueError(f"{node.target} does not fit in float16")
                with graph.inserting_after(node):
                    half = cast(node, torch.float16)
                node.replace_all_uses_with(half, delete_user_cb=lambda user, half=half: user is not half)
        elif node.op == "call_function":
            node.args = tuple(_fitting(arg) for arg in node.args)
            node.kwargs = {name: _fitting(value) for name, value in node.kwargs.items()}
        elif node.op == "output":
            with graph.inserting_before(node):
                outputs = [cast(out, torch.float32) if _is_float32(out) else out for out in node.all_input_nodes]
            for old, new in zip(list(node.all_input_nodes), outputs, strict=True):
                node.replace_input_with(old, new)
    # a weight's cast from float16 to what is float16 now is none
    for node in list(graph.nodes):
        if node.target is aten.to.dtype and node.args[1] is torch.float16 and _stored_half(module, node.args[0]):
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    module.recompile()


def _fitting(argument: Any) -> Any:
    """float16 for float32; a bound or a mask's value that float16 does not have becomes its largest."""
    import torch

    if argument is torch.float32:
        return torch.float16
    beyond = isinstance(argument, float) and math.isfinite(argument) and abs(argument) > LARGEST
    return math.copysign(LARGEST, argument) if beyond else argument


def _is_float32(node: torch.fx.Node) -> bool:
    import torch

    return getattr(node.meta.get("val"), "dtype", None) is torch.float32


def _stored_half(module: GraphModule, node: torch.fx.Node) -> bool:
    import torch

    return node.op == "get_attr" and operator.attrgetter(str(node.target))(module).dtype is torch.float16


def _sqnr_db(expected: torch.Tensor, answer: torch.Tensor) -> float:
    import torch

    if not answer.double().isfinite().all():
        return float("-inf")
    noise = (expected.double() - answer.double()).square().sum()
    signal = expected.double().square().sum()
    return float(10 * torch.log10(signal / noise)) if noise > 0 else float("inf")

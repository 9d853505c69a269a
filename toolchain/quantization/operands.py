"""The constant operands of a program's operators: reading them, and adding new ones."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from edgeship.toolchain.quantization.aliasing import is_overwritten

if TYPE_CHECKING:
    import torch
    from torch.fx import GraphModule, Node


def constant_of(module: GraphModule, operand: Any) -> torch.Tensor | None:
    """A number, parameter or buffer as a tensor, also behind operators that only shape it; None for all else."""
    import torch

    if isinstance(operand, int | float) and not isinstance(operand, bool):
        return torch.tensor(float(operand))
    if not isinstance(operand, torch.fx.Node):
        return None
    if operand.op == "get_attr":
        value = operator.attrgetter(str(operand.target))(module)
        return value.detach() if isinstance(value, torch.Tensor) and not is_overwritten(operand) else None
    aten = torch.ops.aten
    if operand.target not in (aten.view.default, aten.reshape.default, aten.unsqueeze.default):
        return None
    source, *how = operand.args
    value = constant_of(module, source)
    try:
        return None if value is None else operand.target(value, *how)
    except (RuntimeError, TypeError):  # a shape that is known at run time only
        return None


def add_constant(module: GraphModule, prefix: str, value: torch.Tensor, like: Any) -> Node:
    """A new buffer and the node that reads it, at the graph's insertion point; `like` is a fake tensor beside it."""
    from torchao.quantization.pt2e.utils import get_new_attr_name_with_prefix

    name = get_new_attr_name_with_prefix(f"_{prefix}_")(module)
    module.register_buffer(name, value.contiguous())
    node = module.graph.get_attr(name)
    node.meta["val"] = like.fake_mode.from_tensor(value, static_shapes=True)
    return node

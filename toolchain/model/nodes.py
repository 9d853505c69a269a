"""Reading a program's graph: which nodes count, what they are called and where in the model they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeship.toolchain.quantization.layers import layer_of
from edgeship.toolchain.samples import Array

if TYPE_CHECKING:
    import torch
    from torch.fx import GraphModule, Node


def alive(module: GraphModule) -> list[Node]:
    """The nodes that an output is computed from, in order."""
    waiting = [node for node in module.graph.nodes if node.op == "output"]
    reached: set[Node] = set()
    while waiting:
        node = waiting.pop()
        if node not in reached:
            reached.add(node)
            waiting += node.all_input_nodes
    return [node for node in module.graph.nodes if node in reached]


def is_graph(module: GraphModule, node: Node) -> bool:
    """Whether a node stands for the graph of a branch or loop."""
    import torch

    return node.op == "get_attr" and isinstance(getattr(module, str(node.target), None), torch.fx.GraphModule)


def name_of(node: Any) -> str:
    """'aten.conv2d', whatever the overload."""
    return str(node.target).rpartition(".")[0] if getattr(node, "op", "") == "call_function" else ""


def place_of(node: Node) -> str:
    """The layer of the model and the operator, for a person."""
    layer = layer_of(node)
    operator = name_of(node).rpartition(".")[2]
    return f"{layer} ({operator})" if layer else operator


def array_of(value: torch.Tensor) -> Array:
    """The numbers of a tensor; bfloat16 as float32."""
    plain = value.detach()
    return plain.float().numpy() if str(plain.dtype) == "torch.bfloat16" else plain.numpy()

"""Which operators of a program overwrite a tensor, and which results share memory with another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.fx import Graph, GraphModule, Node


def is_mutable(node: Node) -> bool:
    """Whether the operator overwrites its first argument."""
    import torch

    return isinstance(node.target, torch._ops.OpOverload) and bool(node.target._schema.is_mutable)


def may_be_view(node: Any) -> bool:
    """Whether the node's result may share memory with another tensor than the one it overwrote."""
    import torch

    if is_mutable(node):
        return may_be_view(node.args[0])
    if not isinstance(node.target, torch._ops.OpOverload):
        return True
    return any(result.alias_info is not None for result in node.target._schema.returns)


def is_overwritten(node: Node) -> bool:
    """Whether an operator overwrites this value, or a view of it."""
    return any(
        (is_mutable(user) and user.args[0] is node)
        or (user.op != "output" and may_be_view(user) and is_overwritten(user))
        for user in node.users
    )


def overwrites_what_others_read(model: GraphModule) -> bool:
    """Whether an in-place operator changes a view, or a value that has another reader."""
    return any(
        is_mutable(node) and (may_be_view(node.args[0]) or len(node.args[0].users) > 1) for node in model.graph.nodes
    )


def owner(node: Any) -> Node:
    """Whose memory a node may share: itself, where it is no view."""
    while node.op == "call_function" and node.all_input_nodes and (is_mutable(node) or may_be_view(node)):
        node = node.all_input_nodes[0]
    return node  # type: ignore[no-any-return]


def overwritten(graph: Graph) -> set[Node]:
    """The owners of all memory that operators of a graph write into."""
    return {owner(arg) for node in graph.nodes if is_mutable(node) for arg in node.all_input_nodes[:1]}

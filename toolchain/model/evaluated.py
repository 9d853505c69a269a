"""The values of a program's constants: what is stored, and what is computed from nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.fx import Graph, Node


class Values:
    """Of nodes, computed when they are asked for; `stored` are the placeholders that a program knows."""

    def __init__(self, stored: dict[Node, Any]) -> None:
        self._values = dict(stored)
        self._roots: dict[Node, frozenset[Node] | None] = {node: frozenset({node}) for node in stored}
        self._changes: dict[Graph, list[Node]] = {}

    def constant(self, node: Any) -> bool:
        """Whether no input takes part in it."""
        return self._rooted(node) is not None

    def roots(self, node: Node) -> frozenset[Node]:
        """The stored constants that it is computed from; none, too, where it is no constant."""
        return self._rooted(node) or frozenset()

    def is_known(self, node: Node) -> bool:
        """Whether it is stored, or was computed already."""
        return node in self._values

    def enter(self, placeholder: Node, operand: Node) -> None:
        """The input of an inner graph has the value of what the graph is given."""
        self._values[placeholder] = self.value(operand)
        self._roots[placeholder] = self._roots[operand]

    def value(self, node: Any) -> Any:
        """A tensor, or whatever the node answers, with all that was written into it before."""
        if node not in self._values:
            for change in self._written(node.graph):
                if change < node and change not in self._values:
                    self._values[change] = self._executed(change)
            if node not in self._values:
                self._values[node] = self._executed(node)
        return self._values[node]

    def _executed(self, node: Node) -> Any:
        import torch

        with torch.no_grad():
            args = torch.fx.node.map_arg(node.args, self.value)
            keywords = torch.fx.node.map_arg(node.kwargs, self.value)
            return node.target(*args, **keywords)  # type: ignore[operator]

    def _written(self, graph: Graph) -> list[Node]:
        """What writes into a constant that the program makes itself: a mask that is filled part by part."""
        if graph not in self._changes:
            writing = [each for each in graph.nodes if each.op == "call_function" and _writes(each)]
            self._changes[graph] = [
                each for each in writing if self.constant(each) and self._rooted(each.args[0]) == frozenset()
            ]
        return self._changes[graph]

    def _rooted(self, node: Any) -> frozenset[Node] | None:
        """The stored constants that a node is computed from; None where the inputs take part."""
        import torch

        if not isinstance(node, torch.fx.Node):
            return None
        if node not in self._roots:
            computed = node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload)
            sources = [self._rooted(arg) for arg in node.all_input_nodes] if computed else [None]
            known = [source for source in sources if source is not None]
            self._roots[node] = frozenset().union(*known) if len(known) == len(sources) else None
        return self._roots[node]


def _writes(node: Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and schema.is_mutable and bool(node.args)

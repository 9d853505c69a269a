"""The values of a program's constants: what is stored, and what is computed from nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeship.toolchain.quantization.aliasing import overwritten, owner

if TYPE_CHECKING:
    from torch.fx import Graph, Node


class Values:
    """Of nodes, computed when they are asked for; `stored` are the placeholders that a program knows."""

    def __init__(self, stored: dict[Node, Any]) -> None:
        self._values = dict(stored)
        self._roots: dict[Node, frozenset[Node] | None] = {node: frozenset({node}) for node in stored}
        self._overwritten: dict[Graph, set[Node]] = {}

    def is_constant(self, node: Any) -> bool:
        """Whether no input takes part in it; what is overwritten is none, whatever it is overwritten with."""
        return self._rooted(node) is not None

    def is_known(self, node: Node) -> bool:
        """Whether it is stored, or was computed already."""
        return node in self._values

    def roots(self, node: Node) -> frozenset[Node]:
        """The stored constants that it is computed from; none, too, where it is no constant."""
        return self._rooted(node) or frozenset()

    def enter(self, placeholder: Node, operand: Node) -> None:
        """The input of an inner graph has the value of what the graph is given."""
        self._values[placeholder] = self.value(operand)
        self._roots[placeholder] = self._roots[operand]

    def value(self, node: Any) -> Any:
        """A tensor, or whatever a constant answers."""
        import torch

        if node not in self._values:
            with torch.no_grad():
                args = torch.fx.node.map_arg(node.args, self.value)
                keywords = torch.fx.node.map_arg(node.kwargs, self.value)
                self._values[node] = node.target(*args, **keywords)
        return self._values[node]

    def _rooted(self, node: Any) -> frozenset[Node] | None:
        """The stored constants that a node is computed from; None where the inputs take part."""
        import torch

        if not isinstance(node, torch.fx.Node):
            return None
        if node not in self._roots:
            computed = node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload)
            fixed = computed and owner(node) not in self._written_in(node.graph)
            sources = [self._rooted(arg) for arg in node.all_input_nodes] if fixed else [None]
            known = [source for source in sources if source is not None]
            self._roots[node] = frozenset().union(*known) if len(known) == len(sources) else None
        return self._roots[node]

    def _written_in(self, graph: Graph) -> set[Node]:
        if graph not in self._overwritten:
            self._overwritten[graph] = overwritten(graph)
        return self._overwritten[graph]

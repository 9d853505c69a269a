"""Operators of a program's module replaced by others: each rewrite reads as it would compute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch.fx import GraphModule, Node, Proxy

Rewrite = Callable[..., "Proxy | None"]
"""Takes the Place and the operator's own arguments as proxies; answers a proxy, or None to leave the operator alone."""


def rewrite(module: GraphModule, rewrites: Mapping[Any, Rewrite]) -> bool:
    """Replace operators in place by their targets' rewrites; whether any was. The module must be exported again."""
    changed = False
    for node in list(module.graph.nodes):
        if node.op == "call_function" and (one := rewrites.get(node.target)):
            changed |= _replaced(module, node, one)
    if changed:
        module.graph.eliminate_dead_code()
        module.recompile()
    return changed


class Place:
    """Where a rewrite stands: the operator's node and the module that holds its constants."""

    def __init__(self, module: GraphModule, node: Node) -> None:
        import torch

        self.module, self.node = module, node
        self._tracer = torch.fx.proxy.GraphAppendingTracer(module.graph)

    def proxy(self, node: Node) -> Any:
        """A node as the operators take it, so that rewrites read as they would compute."""
        import torch

        return torch.fx.Proxy(node, self._tracer)

    def value(self, position: int = 0) -> torch.Tensor:
        """The example value of an argument."""
        node: Any = self.node.args[position]
        found: torch.Tensor = node.meta["val"]
        return found

    @property
    def sizes(self) -> list[int] | None:
        """The first argument's, None where one of them is dynamic."""
        sizes = list(self.value().shape)
        return sizes if all(isinstance(size, int) for size in sizes) else None

    def constant(self, name: str, value: torch.Tensor) -> Any:
        """A buffer beside the operator."""
        attribute = f"{self.node.name}_{name}"
        self.module.register_buffer(attribute, value)
        return self.proxy(self.module.graph.get_attr(attribute))

    def call(self, target: Any, *args: Any, **kwargs: Any) -> Any:
        """An operator on no proxies at all."""
        return self.proxy(self.module.graph.call_function(target, args, kwargs))


def _replaced(module: GraphModule, node: Node, one: Rewrite) -> bool:
    from torch.fx.node import map_arg

    before, place = node.prev, Place(module, node)
    with module.graph.inserting_before(node):
        answer = one(place, *map_arg(node.args, place.proxy), **map_arg(node.kwargs, place.proxy))
    if answer is None:
        return False
    made = before.next
    while made is not node:  # they belong to the layer that the operator belonged to
        made.meta |= {key: node.meta[key] for key in ("nn_module_stack", "stack_trace") if key in node.meta}
        made = made.next
    if (value := node.meta.get("val")) is not None:  # for the rewrite of what reads it
        answer.node.meta.setdefault("val", value[0] if isinstance(value, tuple | list) else value)
    node.replace_all_uses_with(answer.node)
    module.graph.erase_node(node)
    return True

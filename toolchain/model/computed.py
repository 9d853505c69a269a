"""What a program computes from constants alone, as a constant: positions, buckets of distances, angles, normed weights.

Runtimes would compute it anew at each call, and a quantizer would round it on the way: T5's buckets come from a
logarithm, Llama's angles reach beyond any scale. Views and fillings stay as they are, and so does what would take more
room than the weights that it is computed from: rows of a table that something else reads, too.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgeship.toolchain.quantization.aliasing import is_mutable, is_overwritten
from edgeship.toolchain.quantization.upstream import drop_unused_state

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.fx import Graph, GraphModule, Node

MOST = 1 << 18
"""Elements of what is computed from sizes and buffers; a larger one stays computed."""
VIEWS = ("aten.expand", "aten.view", "aten.reshape", "aten.permute", "aten.transpose", "aten.t.", "aten.unsqueeze",
         "aten.squeeze", "aten.alias", "aten.detach", "aten.clone", "aten.lift_fresh_copy", "aten.contiguous",
         "aten.slice", "aten.select", "aten.to.", "aten._to_copy")  # fmt: skip
"""What hardly computes: a constant behind it is no better."""
TABLES = ("aten.embedding",)
"""What reads rows of a weight."""


def has_computed(program: ExportedProgram) -> bool:
    """Whether a program computes anything from its constants alone."""
    signature = program.graph_signature
    names = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    names |= signature.inputs_to_lifted_tensor_constants
    parameters = {
        node: node.name in signature.inputs_to_parameters for node in program.graph.nodes if node.name in names
    }
    return bool(_Fixed(program.graph, parameters).wanted)


def store_computed(module: GraphModule) -> bool:
    """Compute it now, in place; whether there was any. The module must be exported again."""
    import torch

    parameters = {name for name, _ in module.named_parameters()}
    stored = [node for node in module.graph.nodes if node.op == "get_attr"]
    fixed = _Fixed(module.graph, {node: str(node.target) in parameters for node in stored})
    values: dict[Node, Any] = {}
    for node in fixed.wanted:
        with torch.no_grad():
            constant = _value(module, node, values).detach().clone(memory_format=torch.contiguous_format)
        name = f"{node.name}_computed"
        module.register_buffer(name, constant)
        with module.graph.inserting_before(node):
            made = module.graph.get_attr(name)
        made.meta = dict(node.meta)
        node.replace_all_uses_with(made)
    if fixed.wanted:
        fixed.forget_assertions()
        drop_unused_state(module)
    return bool(fixed.wanted)


class _Fixed:
    """What of a graph is computed from its stored constants alone; `parameters` says which of these are trained."""

    def __init__(self, graph: Graph, parameters: Mapping[Node, bool]) -> None:
        self._parameters = parameters
        self._nodes: set[Node] = set(parameters)
        self.wanted: list[Node] = []
        """Results that something else reads, first things first."""
        if any(str(node.target).startswith("quantized_decomposed") for node in graph.nodes):
            return  # its constants are as the quantizer left them
        for node in graph.nodes:
            fixed = _is_pure(node) and all(arg in self._nodes for arg in node.all_input_nodes)
            if fixed and not _is_shared(node) and (_is_view(node) or self._fits(node)):
                self._nodes.add(node)
        self.wanted = [node for node in graph.nodes if node in self._nodes and self._is_wanted(node)]

    def forget_assertions(self) -> None:
        """What was asserted of it holds."""
        for node in self._nodes:
            for user in [user for user in node.users if _asserts(user)]:
                user.graph.erase_node(user)

    def _is_wanted(self, node: Node) -> bool:
        import torch

        if node in self._parameters or not node.all_input_nodes or _is_view(node):
            return False
        return isinstance(node.meta.get("val"), torch.Tensor) and self._is_read(node) and not is_overwritten(node)

    def _is_read(self, node: Node) -> bool:
        users = [user for user in node.users if not _asserts(user)]
        return any(user not in self._nodes or (_is_view(user) and self._is_read(user)) for user in users)

    def _fits(self, node: Node) -> bool:
        """Whether a result is no larger than the parameters that it is computed from, or than MOST."""
        import torch

        roots: set[Node] = set()
        seen: set[Node] = set()
        rest = [node]
        while rest:
            one = rest.pop()
            if one not in seen:
                seen.add(one)
                rest += one.all_input_nodes
                roots |= {one} if self._parameters.get(one) else set()
        value, most = node.meta.get("val"), sum(root.meta["val"].numel() for root in roots) if roots else MOST
        return not isinstance(value, torch.Tensor) or value.numel() <= most


def _value(module: GraphModule, node: Node, values: dict[Node, Any]) -> Any:
    from torch.fx.node import map_arg

    if node not in values:
        if node.op == "get_attr":
            values[node] = operator.attrgetter(str(node.target))(module)
        else:
            target: Any = node.target
            args, options = map_arg((node.args, node.kwargs), lambda arg: _value(module, arg, values))
            values[node] = target(*args, **options)
    return values[node]


def _is_pure(node: Node) -> bool:
    import torch

    if node.target is operator.getitem:
        return True
    if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload) or is_mutable(node):
        return False
    return node.target.namespace == "aten" and torch.Tag.nondeterministic_seeded not in node.target.tags


def _is_shared(rows: Node) -> bool:
    """Whether a table stays in the program without them."""
    return str(rows.target).startswith(TABLES) and len(rows.all_input_nodes[0].users) > 1


def _is_view(node: Node) -> bool:
    return str(node.target).startswith(VIEWS)


def _asserts(node: Node) -> bool:
    return str(node.target).startswith("aten._assert")

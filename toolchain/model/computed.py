"""What a program computes from constants alone, as a constant: positions, buckets of distances, angles, normed weights.

Runtimes would compute it anew at each call, and a quantizer would round it on the way: T5's buckets come from a
logarithm, Llama's angles reach beyond any scale. Views and fillings stay as they are, and so does what would take more
room than the weights that it is computed from: rows of a table that something else reads, too.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgeship.toolchain.quantization.aliasing import is_mutable, is_overwritten, may_be_view
from edgeship.toolchain.quantization.upstream import drop_unused_state

if TYPE_CHECKING:
    import torch
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
    with torch.no_grad():
        values = fixed.values(module)
    for node in fixed.wanted:
        name = f"{node.name}_computed"
        module.register_buffer(name, values[node])
        with module.graph.inserting_before(node):
            made = module.graph.get_attr(name)
        made.meta = dict(node.meta)
        node.replace_all_uses_with(made)
    if fixed.wanted:
        fixed.forget_assertions()
        fixed.forget_writes()
        drop_unused_state(module)
    return bool(fixed.wanted)


class _Fixed:
    """What of a graph is computed from its stored constants alone; `parameters` says which of these are trained."""

    def __init__(self, graph: Graph, parameters: Mapping[Node, bool]) -> None:
        self._parameters = parameters
        self._nodes: set[Node] = set(parameters)
        self._writes: list[Node] = []
        """What overwrites, with constants, a tensor that the program makes: a mask that is filled part by part."""
        self.wanted: list[Node] = []
        """Results that something else reads, first things first."""
        if any(str(node.target).startswith("quantized_decomposed") for node in graph.nodes):
            return  # its constants are as the quantizer left them
        writing = [node for node in graph.nodes if is_mutable(node)]
        varying: set[Node] = set()
        while True:
            self._find(graph, varying)
            # what is overwritten in any other way is no constant, and nothing that is computed from it
            found = {_written(node) for node in writing if node not in self._nodes} & self._nodes
            if not found:
                break
            varying |= found
        self.wanted = [node for node in graph.nodes if node in self._nodes and self._is_wanted(node)]

    def _find(self, graph: Graph, varying: set[Node]) -> None:
        self._nodes, self._writes = set(self._parameters) - varying, []
        for node in graph.nodes:
            if node in varying or not all(arg in self._nodes for arg in node.all_input_nodes):
                continue
            if is_mutable(node) and node.all_input_nodes and _written(node).op == "call_function":
                self._nodes.add(node)
                self._writes.append(node)
            elif _is_pure(node) and not _is_shared(node) and (_is_view(node) or self._fits(node)):
                self._nodes.add(node)

    def values(self, module: GraphModule) -> dict[Node, torch.Tensor]:
        """What is wanted, computed in the program's order, with all that is written on the way."""
        import torch
        from torch.fx.node import map_arg

        needed: set[Node] = set()
        rest = [*self.wanted, *(self._writes if self.wanted else [])]
        while rest:
            if (one := rest.pop()) not in needed:
                needed.add(one)
                rest += one.all_input_nodes
        known: dict[Node, Any] = {}
        for node in (each for each in module.graph.nodes if each in needed):
            if node.op == "get_attr":
                known[node] = operator.attrgetter(str(node.target))(module)
            else:
                args, options = map_arg((node.args, node.kwargs), known.__getitem__)
                known[node] = node.target(*args, **options)
                if node in self.wanted:  # what is written later is not in it
                    known[node] = known[node].detach().clone(memory_format=torch.contiguous_format)
        return {node: known[node] for node in self.wanted}

    def forget_assertions(self) -> None:
        """What was asserted of it holds."""
        for node in self._nodes:
            for user in [user for user in node.users if _asserts(user)]:
                user.graph.erase_node(user)

    def forget_writes(self) -> None:
        """What is written and read by nobody any more."""
        if self._writes:
            self._writes[0].graph.eliminate_dead_code()  # its readers
        for node in reversed(self._writes):
            if not node.users and _is_only_written(_written(node)):
                node.graph.erase_node(node)

    def _is_wanted(self, node: Node) -> bool:
        import torch

        if node in self._parameters or is_mutable(node) or not node.all_input_nodes or _is_view(node):
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


def _written(node: Node) -> Node:
    """The tensor that an operator overwrites, or overwrites a view of."""
    base: Any = node.args[0]
    while base.op == "call_function" and base.all_input_nodes and may_be_view(base):
        base = base.args[0]
    return base  # type: ignore[no-any-return]


def _is_only_written(node: Node) -> bool:
    return all(
        (user.args[0] is node and (is_mutable(user) or may_be_view(user))) and _is_only_written(user)
        for user in node.users
    )


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

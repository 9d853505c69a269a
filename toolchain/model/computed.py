"""What a program computes from constants alone, as a constant: positions, buckets of distances, angles, normed weights.

Runtimes would compute it anew at each call, and a quantizer would round it on the way: T5's buckets come from a
logarithm, Llama's angles reach beyond any scale. Views and fillings stay as they are, and so does what would take more
room than the weights that it is computed from: rows of a table that something else reads, too.
"""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgeship.toolchain.quantization.aliasing import is_mutable, may_be_view, overwritten, owner
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
    fixed = _Fixed(program.graph, parameters)
    return bool(fixed.wanted or fixed.read)


def store_computed(module: GraphModule) -> bool:
    """Compute it now, in place; whether there was any. The module must be exported again."""
    import torch

    parameters = {name for name, _ in module.named_parameters()}
    stored = [node for node in module.graph.nodes if node.op == "get_attr"]
    fixed = _Fixed(module.graph, {node: str(node.target) in parameters for node in stored})
    if not fixed.wanted and not fixed.read:
        return False
    with torch.no_grad():
        values = fixed.values(module)
    for (reader, node), value in values.items():
        name = f"{node.name}_computed" if reader is node else f"{node.name}_in_{reader.name}"
        module.register_buffer(name, value)
        with module.graph.inserting_before(reader):
            made = module.graph.get_attr(name)
        made.meta = dict(node.meta)
        if reader is node:
            node.replace_all_uses_with(made)
        else:
            reader.replace_input_with(node, made)
    fixed.forget_assertions()
    fixed.forget_writes()
    drop_unused_state(module)
    return True


class _Fixed:
    """What of a graph is computed from its stored constants alone; `parameters` says which of these are trained."""

    def __init__(self, graph: Graph, parameters: Mapping[Node, bool]) -> None:
        self._parameters = parameters
        self._overwritten = overwritten(graph)
        self._nodes: set[Node] = set(parameters)
        self._writes: list[Node] = []
        """What overwrites, with constants, a tensor that the program makes: a mask that is filled part by part."""
        self.wanted: list[Node] = []
        """Results that something else reads, first things first."""
        self.read: list[tuple[Node, Node]] = []
        """Who reads what is overwritten, and what: it depends on when."""
        if any(str(node.target).startswith("quantized_decomposed") for node in graph.nodes):
            return  # its constants are as the quantizer left them
        writing = [node for node in graph.nodes if is_mutable(node) and node.all_input_nodes]
        varying: set[Node] = set()
        while True:
            self._find(graph, varying)
            # what is overwritten in any other way is no constant, and nothing that is computed from it
            found = {owner(node) for node in writing if node not in self._nodes} & self._nodes
            if not found:
                break
            varying |= found
        self.wanted = [node for node in graph.nodes if node in self._nodes and self._is_wanted(node)]
        self.read = [
            (reader, node)
            for reader in graph.nodes
            if reader not in self._nodes and not _asserts(reader)
            for node in reader.all_input_nodes
            if node in self._nodes and owner(node) in self._overwritten and _size(node) <= MOST
        ]

    def _find(self, graph: Graph, varying: set[Node]) -> None:
        self._nodes, self._writes = set(self._parameters) - varying, []
        for node in graph.nodes:
            if node in varying or not _is_pure(node) or not all(arg in self._nodes for arg in node.all_input_nodes):
                continue
            if is_mutable(node):
                if owner(node).op == "call_function":
                    self._nodes.add(node)
                    self._writes.append(node)
            elif not _is_shared(node) and (_is_view(node) or self._fits(node)):
                self._nodes.add(node)

    def values(self, module: GraphModule) -> dict[tuple[Node, Node], torch.Tensor]:
        """What is wanted (reader and node are one) or read, computed in the program's order, writes included."""
        from torch.fx.node import map_arg

        wanted = set(self.wanted)
        needed: set[Node] = set()
        rest = [*self.wanted, *self._writes, *(node for _, node in self.read)]
        while rest:
            if (one := rest.pop()) not in needed:
                needed.add(one)
                rest += one.all_input_nodes
        reading: dict[Node, list[Node]] = defaultdict(list)
        for reader, node in self.read:
            reading[reader].append(node)
        known: dict[Node, Any] = {}
        found: dict[tuple[Node, Node], torch.Tensor] = {}
        for node in module.graph.nodes:
            for each in reading[node]:
                found[node, each] = _copy(known[each])
            if node not in needed:
                continue
            if node.op == "get_attr":
                known[node] = operator.attrgetter(str(node.target))(module)
            else:
                args, options = map_arg((node.args, node.kwargs), known.__getitem__)
                known[node] = node.target(*args, **options)
            if node in wanted:
                found[node, node] = _copy(known[node])
        return found

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
            if not node.users and _is_only_written(owner(node)):
                node.graph.erase_node(node)

    def _is_wanted(self, node: Node) -> bool:
        import torch

        if node in self._parameters or not node.all_input_nodes or _is_view(node):
            return False
        if owner(node) in self._overwritten:
            return False  # when it is read decides
        return isinstance(node.meta.get("val"), torch.Tensor) and self._is_read(node)

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


def _size(node: Node) -> int:
    import torch

    value = node.meta.get("val")
    return int(value.numel()) if isinstance(value, torch.Tensor) else MOST + 1


def _copy(value: torch.Tensor) -> torch.Tensor:
    """What is written later is not in it."""
    import torch

    return value.detach().clone(memory_format=torch.contiguous_format)


def _is_only_written(node: Node) -> bool:
    return all(
        (user.args[0] is node and (is_mutable(user) or may_be_view(user))) and _is_only_written(user)
        for user in node.users
    )


def _is_pure(node: Node) -> bool:
    import torch

    if node.target is operator.getitem:
        return True
    if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
        return False
    return node.target.namespace == "aten" and torch.Tag.nondeterministic_seeded not in node.target.tags


def _is_shared(rows: Node) -> bool:
    """Whether a table stays in the program without them."""
    return str(rows.target).startswith(TABLES) and len(rows.all_input_nodes[0].users) > 1


def _is_view(node: Node) -> bool:
    return str(node.target).startswith(VIEWS)


def _asserts(node: Node) -> bool:
    return str(node.target).startswith("aten._assert")

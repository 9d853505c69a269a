"""The stored program as a module that torch.jit takes: recorded from positional tensors, or scripted by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.fx import GraphModule


def plain_module(program: ExportedProgram) -> GraphModule:
    """The program as a module that torch.jit records: positional tensors in, a tuple out, always the same name."""
    from torch.fx import Graph, GraphModule

    module = program.module(check_guards=False)
    graph = Graph()
    outputs = graph.graph_copy(module.graph, {})
    graph.output(tuple(outputs) if isinstance(outputs, list | tuple) else (outputs,))
    for old, new in zip(module.graph.nodes, graph.nodes, strict=True):
        new.meta = old.meta
    plain = GraphModule(module, graph, class_name="Model")
    type(plain).__module__ = "edgeship"
    for part in plain.modules():
        part.training = False  # a program is in eval mode by construction, and has no eval()
    return plain


def name_packets(module: GraphModule) -> None:
    """Call operators by name without their overload, which torch.jit.script chooses itself."""
    import torch

    for node in module.graph.nodes:
        if isinstance(node.target, torch._ops.OpOverload):
            node.target = node.target.overloadpacket
    module.recompile()

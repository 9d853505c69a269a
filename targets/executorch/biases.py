"""Shared biases of quantized layers, one for each layer that adds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeship.toolchain.api import Context, export

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.fx import GraphModule

BIAS = 2
"""The bias's position among the arguments of convolutions and linear layers."""


def with_own_biases(program: ExportedProgram, context: Context) -> ExportedProgram:
    """The program in which no two layers share a bias.

    XNNPACK stores a bias as integers in steps of its layer's input, and ExecuTorch writes a shared one once, in the
    steps of the first layer that it meets: a module that is called twice would answer wrong numbers.
    """
    module = program.module()
    return export(module, context.example, context.signature) if copy_shared_biases(module) else program


def copy_shared_biases(module: GraphModule) -> int:
    """Give every convolution and linear layer a bias of its own, in place; returns how many were copied."""
    import operator

    copied = 0
    for node in [node for node in module.graph.nodes if node.op == "get_attr"]:
        layers = [
            user
            for user in node.users
            if str(user.target).startswith(("aten.conv", "aten.linear")) and user.args[BIAS : BIAS + 1] == (node,)
        ]
        for number, layer in enumerate(layers[1:], 1):
            bias = operator.attrgetter(str(node.target))(module)
            name = f"{node.name}_copy_{number}"
            module.register_buffer(name, bias.detach().clone())
            with module.graph.inserting_before(node):
                own = module.graph.get_attr(name)
            own.meta = dict(node.meta)
            layer.update_arg(BIAS, own)
            copied += 1
    if copied:
        module.recompile()
    return copied

"""What happens to a program before litert-torch gets it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.fx import Node


def private_copy(program: ExportedProgram, shapes: Sequence[tuple[int, ...]] | None = None) -> ExportedProgram:
    """A program with a graph and a state dict of its own and shared tensors: litert-torch changes what it is given.

    `shapes` fix the inputs' sizes where they were dynamic: the first decomposition traces the program with them.
    Nodes forget the file and line they came from, and remember their module's path instead of its class: the
    converter writes both into tensor names, and a shipped file tells nothing of the machine that made it.
    """
    import torch
    from torch.export import ExportedProgram

    graph = copy.deepcopy(program.graph)
    examples = program.example_inputs
    if shapes is not None:
        names = program.graph_signature.user_inputs
        inputs = {node.name: node for node in graph.nodes if node.op == "placeholder"}
        for name, shape in zip(names, shapes, strict=True):
            meta = inputs[str(name)].meta
            meta["val"] = meta["val"].new_empty(shape)
            meta.pop("tensor_meta", None)
        dtypes = [inputs[str(name)].meta["val"].dtype for name in names]
        examples = (tuple(torch.zeros(s, dtype=d) for s, d in zip(shapes, dtypes, strict=True)), {})
    for node in graph.nodes:
        node.meta.pop("stack_trace", None)
        stack = node.meta.get("nn_module_stack") or {}
        if stack:
            key, (path, _) = list(stack.items())[-1]
            node.meta["nn_module_stack"] = {key: (path.replace(".", "/"), "")}
    return ExportedProgram(
        root=program.graph_module,
        graph=graph,
        graph_signature=copy.deepcopy(program.graph_signature),
        state_dict=dict(program.state_dict),
        range_constraints=program.range_constraints if shapes is None else {},
        module_call_graph=copy.deepcopy(program.module_call_graph),
        example_inputs=examples,
        constants=dict(program.constants),
        verifiers=program.verifiers,
    )


def broadcast_without_expanding(program: ExportedProgram) -> int:
    """Let an operator broadcast what was expanded for it, in place; returns how many operands.

    The converter moves elementwise operators to the layout of the convolutions around them, but not an expand.
    """
    import torch

    aten = torch.ops.aten
    broadcasting = (aten.mul.Tensor, aten.add.Tensor, aten.sub.Tensor, aten.div.Tensor)
    changed = 0
    for node in program.graph.nodes:
        if node.target not in broadcasting or not all(isinstance(arg, torch.fx.Node) for arg in node.args[:2]):
            continue
        for position, other in ((0, 1), (1, 0)):
            # the other operand has the result's shape already
            if str(node.args[other].meta["val"].shape) == str(node.meta["val"].shape):
                taker, slot = _through_quantizers(node, position)
                expanded = taker.args[slot]
                if expanded.target in (aten.expand.default, aten.expand_as.default):
                    taker.update_arg(slot, expanded.args[0])
                    changed += 1
    program.graph.eliminate_dead_code()
    program.graph_module.recompile()
    return changed


def _through_quantizers(node: Node, position: int) -> tuple[Any, int]:
    """Who takes the operand before it is quantized and dequantized for this node alone, and at which position."""
    operand: Any = node.args[position]
    # by name: the operators are registered only where a program has them
    if str(operand.target) != "quantized_decomposed.dequantize_per_tensor.default" or len(operand.users) > 1:
        return node, position
    quantize = operand.args[0]
    alone = str(quantize.target) == "quantized_decomposed.quantize_per_tensor.default" and len(quantize.users) == 1
    return (quantize, 0) if alone else (node, position)


def round_weights(program: ExportedProgram) -> int:
    """Make the float weights of quantized layers integers times scale, in place; returns how many.

    The program computes the same. The converter quantizes them once more, and where a weight lies half-way between two
    integers it would take the other one.
    """
    import torch

    names = _constants(program)
    values = {**program.constants, **program.state_dict}

    def rounded(quantize: Node) -> torch.Tensor | None:
        if str(quantize.target) != "quantized_decomposed.quantize_per_channel.default":
            return None
        arguments: tuple[Any, ...] = quantize.args
        source, scales, zeros, *scheme = arguments
        if any(tensor.name not in names for tensor in (source, scales, zeros)):
            return None
        grid = values[names[scales.name]], values[names[zeros.name]]
        decomposed = torch.ops.quantized_decomposed
        stored = decomposed.quantize_per_channel.default(values[names[source.name]].detach(), *grid, *scheme)
        real: torch.Tensor = decomposed.dequantize_per_channel.default(stored, *grid, *scheme)
        return real

    changed = 0
    for node in program.graph.nodes:
        if node.op != "placeholder" or node.name not in names or node.meta["val"].dtype != torch.float32:
            continue
        found = [rounded(user) for user in node.users]
        first = found[0] if found else None
        if first is None or not all(each is not None and torch.equal(each, first) for each in found):
            continue
        parameter = node.name in program.graph_signature.inputs_to_parameters
        store = program.state_dict if names[node.name] in program.state_dict else program.constants
        store[names[node.name]] = torch.nn.Parameter(first, False) if parameter else first
        changed += 1
    return changed


def drop_dynamic_activations(program: ExportedProgram) -> int:
    """Remove, in place, the run-time quantization of activations: hybrid operators do it themselves.

    Returns the number of dequantize nodes removed.
    """
    import torch

    decomposed = torch.ops.quantized_decomposed
    dropped = 0
    for node in list(program.graph.nodes):
        if node.target is decomposed.dequantize_per_tensor.tensor:
            quantize = node.args[0]
            if quantize.target is decomposed.quantize_per_tensor.tensor:
                node.replace_all_uses_with(quantize.args[0])
                dropped += 1
    program.graph.eliminate_dead_code()
    program.graph_module.recompile()
    return dropped


def widen_float16_constants(program: ExportedProgram) -> int:
    """Make every float16 constant that is only read through a cast to float32 that float32 constant, in place.

    The converter would neither fold the cast nor the layout of the weight behind it. Returns the number of casts
    removed.
    """
    import torch

    names = _constants(program)
    removed = 0
    for node in list(program.graph.nodes):
        if node.op != "placeholder" or node.name not in names or node.meta["val"].dtype is not torch.float16:
            continue
        for check in [user for user in node.users if user.target is torch.ops.aten._assert_tensor_metadata.default]:
            program.graph.erase_node(check)
        casts = list(node.users)
        if not all(cast.target is torch.ops.aten.to.dtype and cast.args[1] is torch.float32 for cast in casts):
            continue
        name = names[node.name]
        store = program.state_dict if name in program.state_dict else program.constants
        store[name] = store[name].detach().float()
        node.meta["val"] = node.meta["val"].float()
        node.meta.pop("tensor_meta", None)
        for cast in casts:
            cast.replace_all_uses_with(node)
            program.graph.erase_node(cast)
            removed += 1
    program.graph_module.recompile()
    return removed


def _constants(program: ExportedProgram) -> dict[str, str]:
    """Of the nodes that stand for parameters, buffers and other constants: what each is called in the state."""
    signature = program.graph_signature
    names = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    return {**names, **signature.inputs_to_lifted_tensor_constants}

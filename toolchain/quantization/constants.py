"""Integers for the constants of a program: embedding tables, and the weights of float layers; floats for scalars.

Graph edits on the module of an exported program, in place. Scales are symmetric; a row of zeros gets scale 1.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from edgeship.toolchain.quant import FLOAT32, QuantSpec

if TYPE_CHECKING:
    import torch
    from torch.fx import GraphModule, Node

    from edgeship.toolchain.quantization.layers import Change

SMALL_TABLE = 16384
"""Embedding tables with fewer elements stay float: the two extra operators would cost more than they save."""


def quantize_embeddings(module: GraphModule, made_of: Change) -> int:
    """Store large embedding tables as int8 with one scale per row, dequantized after the look-up.

    Those of layers that stay float32 stay as they are.

    embedding(table, ids) becomes embedding(int8 table [V, D], ids).to(float32) * embedding(scales [V, 1], ids): plain
    operators that every runtime has, and no runtime dequantizes the whole table. Returns the number of tables.
    """
    import torch

    aten = torch.ops.aten
    tables: dict[str, tuple[Node, Node]] = {}
    for node in list(module.graph.nodes):
        if node.target is not aten.embedding.default or node.args[0].op != "get_attr" or made_of(node) == FLOAT32:
            continue
        name = str(node.args[0].target)
        table = _value(module, name)
        if table.dtype != torch.float32 or table.numel() < SMALL_TABLE:
            continue
        with module.graph.inserting_before(node.args[0]):
            if name not in tables:
                scale, integers = symmetric_int8(table)
                tables[name] = (
                    _constant(module, name, "int8", integers),
                    _constant(module, name, "scale", scale[:, None]),
                )
        stored, scales = tables[name]
        with module.graph.inserting_before(node):
            rows = module.graph.call_function(aten.embedding.default, (stored, *node.args[1:]))
            row_scales = module.graph.call_function(aten.embedding.default, (scales, *node.args[1:]))
            floats = module.graph.call_function(aten.to.dtype, (rows, torch.float32))
            product = module.graph.call_function(aten.mul.Tensor, (floats, row_scales))
        node.replace_all_uses_with(product)
        module.graph.erase_node(node)
    return len(tables)


def quantize_layer_weights(module: GraphModule, made_of: Change) -> dict[str, int]:
    """Put a quantize-dequantize pair behind the constant weight of every linear and convolution that is to change.

    8 bits: float weight → quantize_per_channel → dequantize_per_channel (axis 0, -127..127), unfolded.
    4 bits, linear layers whose input size is a multiple of the group: int8 constant [out, in] in -8..7 →
    dequantize_per_channel_group (scales [out, in / group], zero points 0); everything else takes 8 bits.
    Returns the number of weights by bits, {"4": 12, "8": 3}.
    """
    import torch

    aten = torch.ops.aten
    layers = {
        aten.linear.default: 0,
        aten.conv1d.default: 0,
        aten.conv2d.default: 0,
        aten.conv_transpose1d.default: 1,
        aten.conv_transpose2d.input: 1,
    }
    done: dict[tuple[str, int, QuantSpec], Node] = {}
    counts: dict[str, int] = {}
    for node in list(module.graph.nodes):
        if node.target not in layers or node.args[1].op != "get_attr":
            continue
        source, axis, spec = node.args[1], layers[node.target], made_of(node)
        weight = _value(module, str(source.target))
        if weight.dtype != torch.float32 or spec == FLOAT32:
            continue
        key = (str(source.target), axis, spec)
        if key not in done:
            linear = node.target is aten.linear.default
            grouped = spec.weight_bits == 4 and linear and weight.shape[1] % spec.group == 0
            with module.graph.inserting_before(source.next):
                done[key] = (
                    _grouped(module, source, weight, spec.group) if grouped else _per_channel(module, source, axis)
                )
            width = "4" if grouped else "8"
            counts[width] = counts.get(width, 0) + 1
        node.update_arg(1, done[key])
    return counts


def float_scalars(module: GraphModule) -> None:
    """Store quantized numbers of rank 0 as the floats they stand for, in place.

    A converter may fold them in int8 (coremltools: 127 - (-128) is -1), and one number saves nothing.
    """
    import torch

    for node in list(module.graph.nodes):
        if node.target is not torch.ops.quantized_decomposed.dequantize_per_tensor.default:
            continue
        source, scale, zero_point = node.args[:3]
        if source.op != "get_attr" or (integer := _value(module, str(source.target))).dim():
            continue
        name = f"{node.name}_float"
        module.register_buffer(name, (integer.to(torch.float32) - zero_point) * scale)
        with module.graph.inserting_before(node):
            node.replace_all_uses_with(module.graph.get_attr(name))
        module.graph.erase_node(node)
    module.graph.eliminate_dead_code()
    module.recompile()


def symmetric_int8(weight: torch.Tensor, axis: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Scales [size of axis] float32 and integers in -127..127 of the same shape as `weight`."""
    import torch

    rows = weight.detach().movedim(axis, 0)
    largest = rows.flatten(1).abs().amax(1)
    scale = torch.where(largest > 0, largest / 127, torch.ones_like(largest))
    shape = [-1 if dim == axis else 1 for dim in range(weight.dim())]
    integers = torch.round(weight.detach() / scale.view(shape)).clamp(-127, 127).to(torch.int8)
    return scale, integers


def grouped_int4(weight: torch.Tensor, group: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Scales [out, in / group] and integers in -8..7, int8 [out, in], of a matrix.

    Each group takes the scale of 21 candidates, 70 to 110 % of its largest magnitude over 7, with the least squared
    error.
    """
    import torch

    groups = weight.detach().reshape(-1, group)
    largest = groups.abs().amax(1, keepdim=True)
    full = torch.where(largest > 0, largest / 7, torch.ones_like(largest))
    best, best_error = full, torch.full_like(full, float("inf"))
    for factor in torch.linspace(0.7, 1.1, 21):
        scale = full * factor
        error = (torch.round(groups / scale).clamp(-8, 7) * scale - groups).square().sum(1, keepdim=True)
        best = torch.where(error < best_error, scale, best)
        best_error = torch.minimum(error, best_error)
    integers = torch.round(groups / best).clamp(-8, 7).to(torch.int8).reshape(weight.shape)
    return best.reshape(weight.shape[0], -1), integers


def _per_channel(module: GraphModule, source: Node, axis: int) -> Node:
    import torch

    decomposed = torch.ops.quantized_decomposed
    name = str(source.target)
    scale, _ = symmetric_int8(_value(module, name), axis)
    scales = _constant(module, name, "scale", scale)
    zeros = _constant(module, name, "zero_point", torch.zeros(len(scale), dtype=torch.int64))
    rest = (scales, zeros, axis, -127, 127, torch.int8)
    quantized = module.graph.call_function(decomposed.quantize_per_channel.default, (source, *rest))
    return module.graph.call_function(decomposed.dequantize_per_channel.default, (quantized, *rest))


def _grouped(module: GraphModule, source: Node, weight: torch.Tensor, group: int) -> Node:
    import torch

    name = str(source.target)
    scale, integers = grouped_int4(weight, group)
    stored = _constant(module, name, "int4", integers)
    scales = _constant(module, name, "scale", scale)
    zeros = _constant(module, name, "zero_point", torch.zeros(scale.shape, dtype=torch.int32))
    args = (stored, scales, zeros, -8, 7, torch.int8, group, torch.float32)
    return module.graph.call_function(torch.ops.quantized_decomposed.dequantize_per_channel_group.default, args)


def _value(module: GraphModule, name: str) -> torch.Tensor:
    tensor: torch.Tensor = operator.attrgetter(name)(module)
    return tensor


def _constant(module: GraphModule, name: str, what: str, value: torch.Tensor) -> Node:
    """A buffer beside the constant `name`, and the node that reads it, at the graph's insertion point."""
    attribute = f"{name.replace('.', '_')}_{what}"
    module.register_buffer(attribute, value)
    return module.graph.get_attr(attribute)

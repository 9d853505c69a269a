"""One factor and one term per channel, brought into a form that computes in integers.

Behind a convolution or linear layer they are part of its weights. Anywhere else (a batch norm after ReLU or in the
identity branch of a re-parametrizable block, `x * scale + shift`) they are a depthwise convolution of size 1, whose
weights per channel are exact in int8, where a tensor of factors with one scale for all channels is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from edgeship.toolchain.quant import FLOAT32
from edgeship.toolchain.quantization.operands import add_constant, constant_of

if TYPE_CHECKING:
    import torch
    from torch.fx import GraphModule, Node

    from edgeship.toolchain.quantization.layers import Change


class Affine(NamedTuple):
    """value * factor + term along an axis of `value`, both float64 [channels]; [1] where `axis` is None."""

    value: Node
    factor: torch.Tensor
    term: torch.Tensor
    axis: int | None


def fold_affines(model: GraphModule, made_of: Change) -> int:
    """Fold or convert, in place, what is affine per channel in layers that are to change; returns how many nodes.

    Weights are rounded to float32 once more; else exact.
    """
    changed = 0
    for node in list(model.graph.nodes):
        found = None if made_of(node) == FLOAT32 else _affine(model, node)
        if found is not None and (_into_layer(model, node, found, made_of) or _depthwise(model, node, found)):
            model.graph.erase_node(node)
            changed += 1
    model.graph.eliminate_dead_code()
    model.recompile()
    return changed


def _affine(model: GraphModule, node: Node) -> Affine | None:
    """What the node does to each channel, where it does nothing else."""
    import torch

    aten = torch.ops.aten
    if node.target is aten.batch_norm.default:
        return _batch_norm(model, node)
    if node.target not in (aten.mul.Tensor, aten.add.Tensor, aten.sub.Tensor, aten.div.Tensor) or node.kwargs:
        return None
    return _arithmetic(model, node)


def _batch_norm(model: GraphModule, node: Node) -> Affine | None:
    import torch

    value: Any = node.args[0]
    weight, bias, mean, variance = (None if p is None else constant_of(model, p) for p in node.args[1:5])
    if node.args[5] or mean is None or variance is None:
        return None
    factor = torch.rsqrt(variance.double() + float(node.args[7]))  # type: ignore[arg-type]
    factor = factor if weight is None else factor * weight
    return Affine(value, factor, (0 if bias is None else bias) - mean * factor, 1)


def _arithmetic(model: GraphModule, node: Node) -> Affine | None:
    import torch

    aten = torch.ops.aten
    left, right = node.args[:2]
    if node.target in (aten.mul.Tensor, aten.add.Tensor) and constant_of(model, left) is not None:
        left, right = right, left
    constant = constant_of(model, right)
    if constant is None or not isinstance(left, torch.fx.Node):
        return None
    before, after = left.meta["val"], node.meta["val"]
    if before.dtype != torch.float32 or after.dtype != torch.float32 or str(before.shape) != str(after.shape):
        return None
    axes = [axis - constant.dim() + before.dim() for axis, size in enumerate(constant.shape) if size > 1]
    if len(axes) > 1 or (axes and str(before.shape[axes[0]]) != str(constant.numel())):
        return None
    values = constant.double().reshape(-1)
    one, zero = torch.ones_like(values), torch.zeros_like(values)
    factor, term = {
        aten.mul.Tensor: (values, zero),
        aten.div.Tensor: (1 / values, zero),
        aten.add.Tensor: (one, values),
        aten.sub.Tensor: (one, -values),
    }[node.target]  # type: ignore[index]
    finite = bool(factor.isfinite().all() and term.isfinite().all())
    return Affine(left, factor, term, axes[0] if axes else None) if finite else None


def _into_layer(model: GraphModule, node: Node, found: Affine, made_of: Change) -> bool:
    """Give the layer that the value comes from other weights, where nothing else reads it."""
    import torch

    aten = torch.ops.aten
    layer, axis = _source(found.value, found.axis)
    channels = {aten.conv1d.default: 1, aten.conv2d.default: 1, aten.linear.default: layer.meta["val"].dim() - 1}
    if layer.target not in channels or len(layer.users) > 1 or made_of(layer) == FLOAT32:
        return False
    has_bias = len(layer.args) > 2 and layer.args[2] is not None
    weight = constant_of(model, layer.args[1])
    bias = constant_of(model, layer.args[2]) if has_bias else torch.zeros(1)
    if axis not in (None, channels[layer.target]) or weight is None or bias is None:
        return False
    factor, term = (values.expand(weight.shape[0]) for values in (found.factor, found.term))
    like = layer.meta["val"]
    with model.graph.inserting_before(layer):
        scaled = weight.double() * factor.reshape(-1, *[1] * (weight.dim() - 1))
        layer_weight = add_constant(model, "scaled_weight", scaled.float(), like)
        layer_bias = add_constant(model, "scaled_bias", (bias.double() * factor + term).float(), like)
    layer.args = (layer.args[0], layer_weight, layer_bias, *layer.args[3:])
    node.replace_all_uses_with(found.value)
    return True


def _source(value: Node, axis: int | None) -> tuple[Node, int | None]:
    """Where a value comes from behind operators that only move it, and what its axis is there."""
    import torch

    aten = torch.ops.aten
    while value.target in (aten.permute.default, aten.transpose.int) and len(value.users) == 1:
        moved: Any = value.args
        order = list(range(value.meta["val"].dim()))
        if value.target is aten.permute.default:
            order = [dim % len(order) for dim in moved[1]]
        else:
            first, second = (dim % len(order) for dim in moved[1:3])
            order[first], order[second] = second, first
        value, axis = moved[0], None if axis is None else order[axis]
    return value, axis


def _depthwise(model: GraphModule, node: Node, found: Affine) -> bool:
    """Put a depthwise convolution of size 1 in the node's place; not for one number, which needs none."""
    import torch

    aten = torch.ops.aten
    like: Any = found.value.meta["val"]
    dims = like.dim() - 2
    if found.axis != 1 or dims not in (1, 2):
        return False
    channels = len(found.factor)
    with model.graph.inserting_before(node):
        weight = found.factor.float().reshape(channels, 1, *[1] * dims)
        arguments = (
            found.value,
            add_constant(model, "channel_factor", weight, like),
            add_constant(model, "channel_term", found.term.float(), like),
            [1] * dims,
            [0] * dims,
            [1] * dims,
            channels,
        )
        new = model.graph.call_function(aten.conv1d.default if dims == 1 else aten.conv2d.default, arguments)
    new.meta = dict(node.meta)
    node.replace_all_uses_with(new)
    return True

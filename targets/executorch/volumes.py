"""Convolutions and maxima in three dimensions as ones in two: neither XNNPACK nor ExecuTorch's kernels have them.

The slices of the depth that a kernel meets become channels of one image: one convolution in two dimensions, in
integers where the program computes in integers, with the weight's numbers in another order.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edgeship.toolchain.api import explicit_pools

if TYPE_CHECKING:
    import torch
    from torch.fx import Node

    from edgeship.toolchain.model.rewriting import Place, Rewrite


def flat_volumes() -> dict[Any, Rewrite]:
    """Operator → its rewrite."""
    import torch

    aten = torch.ops.aten
    return {aten.conv3d.default: _conv3d, aten.max_pool3d.default: explicit_pools()[aten.max_pool3d.default]}


def _conv3d(
    place: Place,
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Sequence[int] = (1,),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    groups: int = 1,
) -> Any:
    import torch

    aten, sizes = torch.ops.aten, place.sizes
    if sizes is None or len(sizes) != 5:
        return None
    stride, padding, dilation = (list(given) * (3 // len(given)) for given in (stride, padding, dilation))
    turned, deep = _in_two_dimensions(place, weight, groups)
    count, channels = sizes[:2]
    answered: list[int] = list(place.node.meta["val"].shape)
    depth, height, width = answered[2], *sizes[3:]
    around = [0, 0, 0, 0, padding[0], padding[0]]
    padded = _quantized_alike(x.node, aten.constant_pad_nd.default(x, around)) if padding[0] else x
    starts = [at * dilation[0] for at in range(deep)]
    slices = [aten.slice.Tensor(padded, 2, at, at + (depth - 1) * stride[0] + 1, stride[0]) for at in starts]
    # [N, C, D, H, W] each → [N, D, groups, kernel, C / groups, H · W]: XNNPACK ends at six dimensions
    shape = [count, groups, channels // groups, depth, height * width]
    stacked = aten.stack.default([aten.reshape.default(each, shape) for each in slices], 2)
    moved = aten.permute.default(stacked, [0, 4, 1, 2, 3, 5])
    flat = aten.reshape.default(moved, [count * depth, channels * deep, height, width])
    flat = _quantized_alike(x.node, flat)
    options = (stride[1:], padding[1:], dilation[1:], groups)
    made = _as_stored(place.node, aten.conv2d.default(flat, turned, bias, *options))
    spread = aten.reshape.default(made, [count, depth, answered[1], *answered[3:]])
    return aten.permute.default(spread, [0, 2, 1, 3, 4])


def _in_two_dimensions(place: Place, weight: Any, groups: int) -> tuple[Any, int]:
    """The kernel [O, C, D, H, W] as [O, D · C, H, W], quantized where it was, and its depth."""
    import torch
    from torch.fx.node import map_arg

    stored = weight.node
    channelwise = torch.ops.quantized_decomposed.dequantize_per_channel.default
    values: torch.Tensor = operator.attrgetter(
        str((stored.args[0] if stored.target is channelwise else stored).target)
    )(place.module).detach()
    out, channels, deep, height, width = values.shape
    flat = values.transpose(1, 2).reshape(out, deep * channels, height, width).contiguous()
    constant = place.constant("flat", flat)
    if stored.target is not channelwise:
        return constant, deep
    return channelwise(constant, *map_arg(stored.args[1:], place.proxy)), deep


def _quantized_alike(source: Node, value: Any) -> Any:
    """Rounded like the tensor that it was made of, which changes no number: kernels look for the pair beside them."""
    import torch

    decomposed = torch.ops.quantized_decomposed
    if source.target is not decomposed.dequantize_per_tensor.default:
        return value
    stored = decomposed.quantize_per_tensor.default(value, *source.args[1:])
    return decomposed.dequantize_per_tensor.default(stored, *source.args[1:])


def _as_stored(convolution: Node, value: Any) -> Any:
    """With the activation and the rounding that follow the convolution, which then change no number where they are."""
    import torch

    aten = torch.ops.aten
    (user,) = convolution.users if len(convolution.users) == 1 else (None,)
    if user is not None and user.target in (aten.relu.default, aten.relu_.default):
        value = aten.relu.default(value)
        (user,) = user.users if len(user.users) == 1 else (None,)
    if user is None or user.target is not torch.ops.quantized_decomposed.quantize_per_tensor.default:
        return value
    stored = user.target(value, *user.args[1:])
    return torch.ops.quantized_decomposed.dequantize_per_tensor.default(stored, *user.args[1:])

"""Operators of MIL that hold weights or windows: convolution, matrix products, pooling, attention, LSTM, resizing."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from edgeship.targets.coreml.operators.table import Function, operator, sizes


def _padding(
    x: Tensor, kernel: list[int], strides: list[int], dilations: list[int], kind: str, pad: Tensor
) -> list[int]:
    """[before, after] of each spatial dimension, in order."""
    if kind == "custom":
        return sizes(pad)
    if kind == "valid":
        return [0] * (2 * len(kernel))
    result = []
    for size, window, stride, dilation in zip(x.shape[2:], kernel, strides, dilations, strict=True):
        total = max(0, (-(-size // stride) - 1) * stride + (window - 1) * dilation + 1 - size)
        small, large = total // 2, total - total // 2
        result += [large, small] if kind == "same_lower" else [small, large]
    return result


def _pad(x: Tensor, padding: list[int], value: float = 0.0) -> Tensor:
    """F.pad counts from the last dimension backwards, MIL forwards."""
    pairs = [padding[i : i + 2] for i in range(0, len(padding), 2)]
    return F.pad(x, [size for pair in reversed(pairs) for size in pair], value=value)


@operator
def conv(
    x: Tensor,
    weight: Tensor,
    strides: Tensor,
    pad_type: str,
    pad: Tensor,
    dilations: Tensor,
    groups: Tensor,
    bias: Tensor | None = None,
) -> Tensor:
    stride, dilation = sizes(strides), sizes(dilations)
    x = _pad(x, _padding(x, list(weight.shape[2:]), stride, dilation, pad_type, pad))
    function: Function = (F.conv1d, F.conv2d, F.conv3d)[x.ndim - 3]
    return function(x, weight, bias, stride=stride, dilation=dilation, groups=int(groups))  # type: ignore[no-any-return]


@operator
def conv_transpose(
    x: Tensor,
    weight: Tensor,
    strides: Tensor,
    pad_type: str,
    pad: Tensor,
    dilations: Tensor,
    groups: Tensor,
    bias: Tensor | None = None,
    output_shape: Tensor | None = None,
) -> Tensor:
    stride, dilation = sizes(strides), sizes(dilations)
    function: Function = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[x.ndim - 3]
    full = function(x, weight, None, stride=stride, dilation=dilation, groups=int(groups))
    padding = sizes(pad) if pad_type == "custom" else [0] * (2 * len(stride))
    if pad_type.startswith("same"):
        for i, (size, factor) in enumerate(zip(x.shape[2:], stride, strict=True)):
            padding[2 * i] = max(0, full.shape[2 + i] - size * factor) // 2
    for i in range(len(stride)):
        size = full.shape[2 + i] - padding[2 * i] - padding[2 * i + 1]
        size = size if output_shape is None else sizes(output_shape)[2 + i]
        full = _pad(
            full, [0, 0] * i + [0, max(0, padding[2 * i] + size - full.shape[2 + i])] + [0, 0] * (len(stride) - 1 - i)
        )
        full = full.narrow(2 + i, padding[2 * i], size)
    return full if bias is None else full + bias.reshape([1, -1] + [1] * len(stride))  # type: ignore[no-any-return]


@operator
def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return F.linear(x, weight, bias)


@operator
def matmul(x: Tensor, y: Tensor, transpose_x: Tensor, transpose_y: Tensor) -> Tensor:
    return torch.matmul(x.mT if bool(transpose_x) else x, y.mT if bool(transpose_y) else y)


@operator
def einsum(values: list[Tensor], equation: str) -> Tensor:
    return torch.einsum(equation, *values)


@operator
def scaled_dot_product_attention(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None) -> Tensor:
    return F.scaled_dot_product_attention(query, key, value, attn_mask)


def _windows(
    x: Tensor, kernel_sizes: Tensor, strides: Tensor, pad_type: str, pad: Tensor, ceil_mode: Tensor, value: float
) -> tuple[Tensor, Tensor]:
    """Every window flattened into the last dimension, of the padded x and of its validity mask.

    With ceil_mode the last window may hang over the end, but must start inside x or its left padding.
    """
    kernel, stride = sizes(kernel_sizes), sizes(strides)
    padding = _padding(x, kernel, stride, [1] * len(kernel), pad_type, pad)
    if bool(ceil_mode):
        for i, size in enumerate(x.shape[2:]):
            before, after = padding[2 * i : 2 * i + 2]
            count = -(-(size + before + after - kernel[i]) // stride[i]) + 1
            if (count - 1) * stride[i] >= size + before:
                count -= 1
            padding[2 * i + 1] = max(after, (count - 1) * stride[i] + kernel[i] - size - before)
    inside = _pad(torch.ones_like(x[:1, :1]), padding)
    x = _pad(x, padding, value)
    cut: Function = Tensor.unfold  # torch leaves it untyped
    for i, (window, step) in enumerate(zip(kernel, stride, strict=True)):
        x, inside = cut(x, 2 + i, window, step), cut(inside, 2 + i, window, step)
    return x.flatten(2 + len(kernel)), inside.flatten(2 + len(kernel))


@operator
def max_pool(x: Tensor, kernel_sizes: Tensor, strides: Tensor, pad_type: str, pad: Tensor, ceil_mode: Tensor) -> Tensor:
    return _windows(x, kernel_sizes, strides, pad_type, pad, ceil_mode, -torch.inf)[0].amax(-1)


@operator
def avg_pool(
    x: Tensor,
    kernel_sizes: Tensor,
    strides: Tensor,
    pad_type: str,
    pad: Tensor,
    ceil_mode: Tensor,
    exclude_padding_from_average: Tensor,
) -> Tensor:
    values, inside = _windows(x, kernel_sizes, strides, pad_type, pad, ceil_mode, 0.0)
    if bool(exclude_padding_from_average):
        return values.sum(-1) / inside.sum(-1)
    return values.mean(-1)


@operator
def l2_pool(x: Tensor, kernel_sizes: Tensor, strides: Tensor, pad_type: str, pad: Tensor, ceil_mode: Tensor) -> Tensor:
    return _windows(x, kernel_sizes, strides, pad_type, pad, ceil_mode, 0.0)[0].square().sum(-1).sqrt()


_RECURRENT: dict[str, Function] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "linear": lambda x: x,
}


@operator
def lstm(
    x: Tensor,
    initial_h: Tensor,
    initial_c: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    direction: str,
    output_sequence: Tensor,
    recurrent_activation: str,
    cell_activation: str,
    activation: str,
    bias: Tensor | None = None,
    weight_ih_back: Tensor | None = None,
    weight_hh_back: Tensor | None = None,
    bias_back: Tensor | None = None,
) -> list[Tensor]:
    gate, cell, out = (_RECURRENT[name] for name in (recurrent_activation, cell_activation, activation))

    def one_way(
        h: Tensor, c: Tensor, w_ih: Tensor, w_hh: Tensor, b: Tensor | None, backwards: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        steps: list[Tensor] = []
        for step in torch.flip(x, (0,)) if backwards else x:
            i, f, o, z = (F.linear(step, w_ih, b) + F.linear(h, w_hh)).chunk(4, -1)
            c = gate(f) * c + gate(i) * cell(z)
            h = gate(o) * out(c)
            steps.append(h)
        sequence = torch.stack(steps[::-1] if backwards else steps)
        return sequence if bool(output_sequence) else h[None], h, c

    if direction != "bidirectional":
        return list(one_way(initial_h, initial_c, weight_ih, weight_hh, bias, direction == "reverse"))
    assert weight_ih_back is not None
    assert weight_hh_back is not None
    (h0, h1), (c0, c1) = torch.chunk(initial_h, 2, -1), torch.chunk(initial_c, 2, -1)
    forward = one_way(h0, c0, weight_ih, weight_hh, bias, False)
    backward = one_way(h1, c1, weight_ih_back, weight_hh_back, bias_back, True)
    return [torch.cat(pair, -1) for pair in zip(forward, backward, strict=True)]


@operator
def upsample_nearest_neighbor(x: Tensor, scale_factor_height: Tensor, scale_factor_width: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=(float(scale_factor_height), float(scale_factor_width)), mode="nearest")


@operator
def upsample_bilinear(
    x: Tensor,
    scale_factor_height: Tensor,
    scale_factor_width: Tensor,
    align_corners: Tensor,
    half_pixel_centers: Tensor | None = None,
) -> Tensor:
    aligned = bool(align_corners)
    if not aligned and half_pixel_centers is not None and not bool(half_pixel_centers):
        raise NotImplementedError("upsample_bilinear without half-pixel centres")
    factors = (float(scale_factor_height), float(scale_factor_width))
    return F.interpolate(x, scale_factor=factors, mode="bilinear", align_corners=aligned)


@operator
def resize_nearest_neighbor(x: Tensor, target_size_height: Tensor, target_size_width: Tensor) -> Tensor:
    return F.interpolate(x, size=(int(target_size_height), int(target_size_width)), mode="nearest")


@operator
def resize_bilinear(x: Tensor, target_size_height: Tensor, target_size_width: Tensor, sampling_mode: str) -> Tensor:
    if sampling_mode not in ("STRICT_ALIGN_CORNERS", "UNALIGN_CORNERS"):
        raise NotImplementedError(f"resize_bilinear with sampling_mode {sampling_mode}")
    size = (int(target_size_height), int(target_size_width))
    return F.interpolate(x, size=size, mode="bilinear", align_corners=sampling_mode == "STRICT_ALIGN_CORNERS")


@operator
def resample(
    x: Tensor,
    coordinates: Tensor,
    sampling_mode: str,
    padding_mode: str,
    padding_value: Tensor,
    coordinates_mode: str,
    align_corners: Tensor,
) -> Tensor:
    if coordinates_mode != "normalized_minus_one_to_one" or float(padding_value):
        raise NotImplementedError(
            f"resample with coordinates_mode {coordinates_mode}, padding {float(padding_value):g}"
        )
    outside = {"constant": "zeros", "border": "border", "reflection": "reflection", "symmetric": "reflection"}
    return F.grid_sample(x, coordinates, sampling_mode, outside[padding_mode], bool(align_corners))

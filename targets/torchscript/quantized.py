"""torch's own quantized layers around weights that are quantized already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch.fx import Node


def conv(node: Node, weight: torch.Tensor, bias: torch.Tensor | None, transposed: bool = False) -> Any:
    """The layer of a convolution's node; weights [out, in/groups, …] (transposed: [in, out/groups, …]), per channel;
    a float bias."""
    from torch.ao.nn import quantized

    dims = weight.dim() - 2
    given: list[Any] = list(node.args[3:])
    if transposed:
        default = [[1] * dims, [0] * dims, [0] * dims, 1, [1] * dims]
        stride, padding, output_padding, groups, dilation = given + default[len(given) :]
        kind: Any = quantized.ConvTranspose1d if dims == 1 else quantized.ConvTranspose2d
        channels, more = (weight.shape[0], weight.shape[1] * groups), {"output_padding": _tuple(output_padding, dims)}
    else:
        stride, padding, dilation, groups = given + [[1] * dims, [0] * dims, [1] * dims, 1][len(given) :]
        kind = (quantized.Conv1d, quantized.Conv2d, quantized.Conv3d)[dims - 1]
        channels, more = (weight.shape[1] * groups, weight.shape[0]), {}
    layer = kind(
        *channels,
        tuple(weight.shape[2:]),
        stride=_tuple(stride, dims),
        padding=_tuple(padding, dims),
        dilation=_tuple(dilation, dims),
        groups=groups,
        bias=bias is not None,
        **more,
    )
    layer.set_weight_bias(weight, bias)
    return layer


def _tuple(value: Any, dims: int) -> tuple[int, ...]:
    items = tuple(value) if isinstance(value, list | tuple) else (value,)
    return items * dims if len(items) == 1 else items


def linear(weight: torch.Tensor, bias: torch.Tensor | None) -> Any:
    """A linear layer between quantized tensors; weights [out, in]."""
    from torch.ao.nn import quantized

    layer: Any = quantized.Linear(weight.shape[1], weight.shape[0], bias_=bias is not None)  # type: ignore[no-untyped-call]
    layer.set_weight_bias(weight, bias)
    return layer


def packed_linear(weight: torch.Tensor, bias: torch.Tensor | None) -> Any:
    """Packed weights [out, in], for the kernel that quantizes its input at run time."""
    from torch.ao.nn.quantized.modules.linear import LinearPackedParams

    packed: Any = LinearPackedParams()  # type: ignore[no-untyped-call]
    packed.set_weight_bias(weight, bias)
    return packed

"""Pools in a form that every converter gets right: explicit padding, no sizes rounded up, no divisors of their own.

What goes wrong otherwise: coreai-torch 0.4.3 averages padding as if it counted (11.8 dB for the layer alone), stops at
`ceil_mode` and has no maximum in three dimensions; coremltools 9 averages too much where ceil_mode adds a window (21
dB) and takes no divisor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from edgeship.toolchain.model.rewriting import Place, Rewrite


def explicit_averages() -> dict[Any, Rewrite]:
    """Average pool → its rewrite, which leaves plain ones alone."""
    import torch

    aten = torch.ops.aten
    return dict.fromkeys((aten.avg_pool1d.default, aten.avg_pool2d.default, aten.avg_pool3d.default), _average)


def explicit_pools() -> dict[Any, Rewrite]:
    """The same for maxima, too; those in three dimensions become two in two."""
    import torch

    aten = torch.ops.aten
    largest = dict.fromkeys((aten.max_pool1d.default, aten.max_pool2d.default), _largest)
    means = dict.fromkeys((aten.adaptive_avg_pool1d.default, aten.adaptive_avg_pool2d.default), _mean)
    return {**explicit_averages(), **largest, **means, aten.max_pool3d.default: _largest_in_3d}


def adaptive_maximum(x: torch.Tensor, output_size: Sequence[int]) -> torch.Tensor:
    """Adaptive max pooling of the last axes to these sizes, in operators that converters take.

    One dimension after the other; the windows are aten's: from floor(i·size/count) to ceil((i+1)·size/count).
    """
    import torch

    for axis, count in enumerate(output_size):
        dim = axis - len(output_size)
        size = x.shape[dim]
        windows = [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]
        parts = [x.narrow(dim, start, end - start).amax(dim, keepdim=True) for start, end in windows]
        x = parts[0] if count == 1 else torch.cat(parts, dim)
    return x


def _mean(place: Place, x: Any, output_size: Sequence[int]) -> Any:
    """The average over everything; of an input with permuted strides torch's own decomposition is `as_strided`."""
    import torch

    if any(size != 1 for size in output_size):
        return None
    return torch.ops.aten.mean.dim(x, [-1 - at for at in range(len(output_size))], True)


def _average(
    place: Place,
    x: Any,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """The pool over explicit zeros, times a constant map of window ÷ divisor."""
    import torch

    sizes = place.sizes
    plain = (count_include_pad or not any(padding)) and divisor_override is None and not ceil_mode
    if plain or sizes is None:
        return None
    pool: Any = place.node.target
    stride = stride or kernel
    around = _around(place, sizes, kernel, stride, padding)
    ones = torch.ones(1, 1, *sizes[-len(kernel) :])
    wanted = pool(ones, *place.node.args[1:])
    padded = pool(torch.constant_pad_nd(ones, around), kernel, stride)
    pooled = pool(torch.ops.aten.constant_pad_nd.default(x, around) if any(around) else x, kernel, stride)
    factors = wanted / padded
    if torch.allclose(factors, torch.ones_like(factors)):
        return pooled
    return torch.ops.aten.mul.Tensor(
        pooled, place.constant("shares", factors if len(sizes) > len(kernel) + 1 else factors[0])
    )


def _largest(
    place: Place,
    x: Any,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    ceil_mode: bool = False,
) -> Any:
    """The pool over explicit padding with the least float."""
    import torch

    sizes = place.sizes
    if not ceil_mode or sizes is None or any(factor > 1 for factor in dilation):
        return None
    stride = stride or kernel
    around = _around(place, sizes, kernel, stride, padding)
    if any(around):
        x = torch.ops.aten.constant_pad_nd.default(x, around, torch.finfo(torch.float32).min)
    pool: Any = place.node.target
    return pool(x, kernel, stride)


def _largest_in_3d(
    place: Place,
    x: Any,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    ceil_mode: bool = False,
) -> Any:
    """Over height and width of each depth, then over the depths of each place."""
    import torch

    aten, sizes = torch.ops.aten, place.sizes
    if sizes is None or len(sizes) != 5 or any(factor > 1 for factor in dilation):
        return None
    kernel, stride, padding = (list(v) * (3 // len(v)) for v in (kernel, stride or kernel, padding))
    around = _around(place, sizes, kernel, stride, padding)
    if any(around):
        x = aten.constant_pad_nd.default(x, around, torch.finfo(torch.float32).min)
    depth, height, width = (sizes[2 + i] + around[4 - 2 * i] + around[5 - 2 * i] for i in range(3))
    after = list(place.node.meta["val"].shape)
    flat = aten.reshape.default(x, [sizes[0], sizes[1] * depth, height, width])
    flat = aten.max_pool2d.default(flat, kernel[1:], stride[1:])
    deep = aten.reshape.default(flat, [sizes[0], sizes[1], depth, after[3] * after[4]])
    return aten.reshape.default(aten.max_pool2d.default(deep, [kernel[0], 1], [stride[0], 1]), after)


def _around(
    place: Place, sizes: list[int], kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int]
) -> list[int]:
    """Padding before and after, the last dimension first, with which sizes rounded down are those of the pool."""
    padding = padding if len(padding) == len(kernel) else [*padding] * len(kernel)
    stride = stride if len(stride) == len(kernel) else [*stride] * len(kernel)
    counts = place.node.meta["val"].shape[-len(kernel) :]
    pairs = [
        (before, max(0, (count - 1) * step + window - size - before))
        for size, count, window, step, before in zip(
            sizes[-len(kernel) :], counts, kernel, stride, padding, strict=True
        )
    ]
    return [number for pair in reversed(pairs) for number in pair]

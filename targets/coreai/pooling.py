"""Pools that coreai-torch gets wrong or stops at, in those that it gets right.

coreai-torch 0.4.3 averages padding as if it counted (11.8 dB for the layer alone), stops at `ceil_mode` ("tuple index
out of range") and has no maximum in three dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgeship.toolchain.api import Place, Rewrite


def pools() -> dict[Any, Rewrite]:
    """Operator → its rewrite, which leaves alone what the converter takes."""
    import torch

    aten = torch.ops.aten
    averages = (aten.avg_pool1d.default, aten.avg_pool2d.default, aten.avg_pool3d.default)
    largest = (aten.max_pool1d.default, aten.max_pool2d.default, aten.max_pool3d.default)
    return {**dict.fromkeys(averages, _average), **dict.fromkeys(largest, _largest)}


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

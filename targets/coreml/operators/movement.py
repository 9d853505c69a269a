"""Operators of MIL that move, join or make values without computing with them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from edgeship.targets.coreml.operators.table import operator, sizes


@operator
def reshape(x: Tensor, shape: Tensor) -> Tensor:
    wanted = sizes(shape)
    # a zero keeps the dimension of x at the same place, counted from the right
    for place, size in enumerate(wanted):
        if size == 0:
            source = x.ndim - (len(wanted) - place)
            wanted[place] = x.shape[source] if source >= 0 else 1
    return x.reshape(wanted)


@operator
def expand_dims(x: Tensor, axes: Tensor) -> Tensor:
    rank = x.ndim + axes.numel()
    for axis in sorted(a % rank for a in sizes(axes)):
        x = x.unsqueeze(axis)
    return x


@operator
def squeeze(x: Tensor, axes: Tensor | None = None) -> Tensor:
    return x.squeeze() if axes is None else x.squeeze(tuple(sizes(axes)))


@operator
def transpose(x: Tensor, perm: Tensor) -> Tensor:
    return x.permute(sizes(perm))


@operator
def flatten2d(x: Tensor, axis: Tensor) -> Tensor:
    rows = int(torch.tensor(x.shape[: int(axis)]).prod())
    return x.reshape(rows, -1)


@operator
def concat(values: list[Tensor], axis: Tensor, interleave: Tensor | None = None) -> Tensor:
    if interleave is not None and bool(interleave):
        dim = int(axis) % values[0].ndim
        return torch.stack(values, dim + 1).flatten(dim, dim + 1)
    return torch.cat([v.reshape(1) if v.ndim == 0 else v for v in values], int(axis))


@operator
def stack(values: list[Tensor], axis: Tensor) -> Tensor:
    return torch.stack(values, int(axis))


@operator
def split(x: Tensor, axis: Tensor, num_splits: Tensor | None = None, split_sizes: Tensor | None = None) -> list[Tensor]:
    dim = int(axis)
    if split_sizes is not None:
        return list(torch.split(x, sizes(split_sizes), dim))
    assert num_splits is not None
    return list(torch.split(x, x.shape[dim] // int(num_splits), dim))


@operator
def tile(x: Tensor, reps: Tensor) -> Tensor:
    return x.repeat(sizes(reps))


@operator
def reverse(x: Tensor, axes: Tensor | None = None) -> Tensor:
    return x.flip(list(range(x.ndim)) if axes is None else sizes(axes))


@operator
def shape(x: Tensor) -> Tensor:
    return torch.tensor(x.shape, dtype=torch.int32)


@operator
def fill(shape: Tensor, value: Tensor) -> Tensor:
    return torch.full(sizes(shape), value.item(), dtype=value.dtype)


@operator
def fill_like(ref_tensor: Tensor, value: Tensor) -> Tensor:
    return torch.full(ref_tensor.shape, value.item(), dtype=value.dtype)


@operator
def range_1d(start: Tensor, end: Tensor, step: Tensor) -> Tensor:
    return torch.arange(start.item(), end.item(), step.item())


@operator
def band_part(x: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    if int(lower) >= 0:
        x = x.triu(-int(lower))
    return x.tril(int(upper)) if int(upper) >= 0 else x


@operator
def non_zero(x: Tensor) -> Tensor:
    return x.nonzero()


@operator
def one_hot(indices: Tensor, one_hot_vector_size: Tensor, axis: Tensor, on_value: Tensor, off_value: Tensor) -> Tensor:
    hot = F.one_hot(indices.long(), int(one_hot_vector_size)).bool()
    dim = int(axis)
    return torch.where(hot.movedim(-1, dim), on_value, off_value)


@operator
def pad(x: Tensor, pad: Tensor, mode: str, constant_val: Tensor) -> Tensor:
    flat = sizes(pad)
    pairs = [flat[i : i + 2] for i in range(0, len(flat), 2)]
    amounts = [size for pair in reversed(pairs) for size in pair]
    if mode == "constant":
        return F.pad(x, amounts, value=constant_val.item())
    # F.pad mirrors only as many dimensions as it pads, and needs one or two before them
    while len(amounts) > 2 and amounts[-2:] == [0, 0]:
        amounts = amounts[:-2]
    padded = len(amounts) // 2
    lead = x.shape[: x.ndim - padded]
    body = F.pad(x.reshape(1, -1, *x.shape[x.ndim - padded :]), amounts, mode=mode)
    return body.reshape(*lead, *body.shape[2:])


@operator
def pixel_shuffle(x: Tensor, upscale_factor: Tensor) -> Tensor:
    return F.pixel_shuffle(x, int(upscale_factor))


@operator
def pixel_unshuffle(x: Tensor, downscale_factor: Tensor) -> Tensor:
    return F.pixel_unshuffle(x, int(downscale_factor))

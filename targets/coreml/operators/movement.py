"""Operators of MIL that move, cut, join or look up values without computing with them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from edgeship.targets.coreml.operators.table import operator, sizes

Index = tuple[slice | Tensor | int, ...]


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


def _window(
    x: Tensor,
    begin: Tensor,
    end: Tensor,
    stride: Tensor | None,
    begin_mask: Tensor | None,
    end_mask: Tensor | None,
    squeeze_mask: Tensor | None,
) -> tuple[list[Tensor], list[int]]:
    """The indices taken along each axis, and the axes dropped afterwards."""
    rank = x.ndim
    steps = [1] * rank if stride is None else sizes(stride)
    open_begin, open_end, dropped = (
        [False] * rank if mask is None else [bool(v) for v in sizes(mask)]
        for mask in (begin_mask, end_mask, squeeze_mask)
    )
    taken = []
    for axis, (first, last, size) in enumerate(zip(sizes(begin), sizes(end), x.shape, strict=True)):
        if dropped[axis]:
            taken.append(torch.tensor([first % size]))
            continue
        window = slice(None if open_begin[axis] else first, None if open_end[axis] else last, steps[axis])
        taken.append(torch.tensor(range(*window.indices(size)), dtype=torch.long))
    return taken, [axis for axis, drop in enumerate(dropped) if drop]


@operator
def slice_by_index(
    x: Tensor,
    begin: Tensor,
    end: Tensor,
    stride: Tensor | None = None,
    begin_mask: Tensor | None = None,
    end_mask: Tensor | None = None,
    squeeze_mask: Tensor | None = None,
) -> Tensor:
    taken, dropped = _window(x, begin, end, stride, begin_mask, end_mask, squeeze_mask)
    for axis, indices in enumerate(taken):
        if len(indices) != x.shape[axis] or not torch.equal(indices, torch.arange(len(indices))):
            x = x.index_select(axis, indices)
    return x.squeeze(tuple(dropped)) if dropped else x


@operator
def slice_update(
    x: Tensor,
    update: Tensor,
    begin: Tensor,
    end: Tensor,
    stride: Tensor | None = None,
    begin_mask: Tensor | None = None,
    end_mask: Tensor | None = None,
    squeeze_mask: Tensor | None = None,
) -> Tensor:
    taken, dropped = _window(x, begin, end, stride, begin_mask, end_mask, squeeze_mask)
    for axis in dropped:
        update = update.unsqueeze(axis)
    result = x.clone()
    result[torch.meshgrid(*taken, indexing="ij")] = update
    return result


@operator
def crop(x: Tensor, crop_height: Tensor, crop_width: Tensor) -> Tensor:
    (top, bottom), (left, right) = sizes(crop_height), sizes(crop_width)
    return x[..., top : x.shape[-2] - bottom, left : x.shape[-1] - right]


@operator
def slice_by_size(x: Tensor, begin: Tensor, size: Tensor) -> Tensor:
    for axis, (first, count) in enumerate(zip(sizes(begin), sizes(size), strict=True)):
        x = x.narrow(axis, first, x.shape[axis] - first if count == -1 else count)
    return x


def _positive(indices: Tensor, size: int) -> Tensor:
    indices = indices.long()
    return torch.where(indices < 0, indices + size, indices)


def _unfold(rows: list[Tensor], shape: torch.Size) -> Tensor:
    return torch.stack(rows).reshape(*shape, *rows[0].shape)


@operator
def gather(
    x: Tensor,
    indices: Tensor,
    axis: Tensor,
    batch_dims: Tensor | None = None,
    validate_indices: Tensor | None = None,
) -> Tensor:
    batch = 0 if batch_dims is None else int(batch_dims)
    dim = int(axis) % x.ndim
    if batch:
        pairs = zip(x.flatten(0, batch - 1), indices.flatten(0, batch - 1), strict=True)
        rows = [gather(row, index, torch.tensor(dim - batch)) for row, index in pairs]
        return _unfold(rows, x.shape[:batch])
    where: Index = (*[slice(None)] * dim, _positive(indices, x.shape[dim]))
    return x[where]


@operator
def gather_along_axis(x: Tensor, indices: Tensor, axis: Tensor, validate_indices: Tensor | None = None) -> Tensor:
    dim = int(axis)
    return torch.take_along_dim(x, _positive(indices, x.shape[dim]), dim)


def _tuple_index(indices: Tensor, shape: torch.Size) -> tuple[Tensor, ...]:
    return tuple(_positive(indices[..., i], shape[i]) for i in range(indices.shape[-1]))


@operator
def gather_nd(
    x: Tensor, indices: Tensor, batch_dims: Tensor | None = None, validate_indices: Tensor | None = None
) -> Tensor:
    batch = 0 if batch_dims is None else int(batch_dims)
    if batch:
        pairs = zip(x.flatten(0, batch - 1), indices.flatten(0, batch - 1), strict=True)
        return _unfold([gather_nd(row, index) for row, index in pairs], x.shape[:batch])
    return x[_tuple_index(indices, x.shape)]


_SCATTER = {"update": None, "add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


def _scatter(data: Tensor, where: tuple[Tensor, ...], updates: Tensor, mode: str) -> Tensor:
    if mode in ("sub", "div"):
        raise NotImplementedError(f"scatter with mode {mode}")
    result = data.clone()
    if _SCATTER[mode] is None:
        result[where] = updates
        return result
    places = torch.arange(data.numel()).reshape(data.shape)[where].reshape(-1)
    flat = result.reshape(-1).scatter_reduce(0, places, updates.reshape(-1), _SCATTER[mode])  # type: ignore[arg-type]
    return flat.reshape(data.shape)


@operator
def scatter(
    data: Tensor,
    indices: Tensor,
    updates: Tensor,
    axis: Tensor,
    mode: str,
    validate_indices: Tensor | None = None,
) -> Tensor:
    dim = int(axis) % data.ndim
    grid = [torch.arange(size) for size in data.shape]
    grid[dim] = _positive(indices, data.shape[dim])
    return _scatter(data, torch.meshgrid(*grid, indexing="ij"), updates, mode)


@operator
def scatter_along_axis(
    data: Tensor,
    indices: Tensor,
    updates: Tensor,
    axis: Tensor,
    mode: str,
    validate_indices: Tensor | None = None,
) -> Tensor:
    dim = int(axis) % data.ndim
    grid = list(torch.meshgrid(*(torch.arange(size) for size in indices.shape), indexing="ij"))
    grid[dim] = _positive(indices, data.shape[dim])
    return _scatter(data, tuple(grid), updates, mode)


@operator
def scatter_nd(
    data: Tensor, indices: Tensor, updates: Tensor, mode: str, validate_indices: Tensor | None = None
) -> Tensor:
    return _scatter(data, _tuple_index(indices, data.shape), updates, mode)


@operator
def pixel_shuffle(x: Tensor, upscale_factor: Tensor) -> Tensor:
    return F.pixel_shuffle(x, int(upscale_factor))


@operator
def pixel_unshuffle(x: Tensor, downscale_factor: Tensor) -> Tensor:
    return F.pixel_unshuffle(x, int(downscale_factor))

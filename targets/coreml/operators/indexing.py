"""Operators of MIL that cut out, look up or replace values by their indices."""

from __future__ import annotations

import torch
from torch import Tensor

from edgeship.targets.coreml.operators.table import operator, sizes

Index = tuple[slice | Tensor | int, ...]


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

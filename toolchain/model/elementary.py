"""Arithmetic that converters lack, in comparisons, sums and products that all of them have."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgeship.toolchain.model.rewriting import Place, Rewrite


def arithmetic() -> dict[Any, Rewrite]:
    """Operator → its rewrite."""
    import torch

    aten = torch.ops.aten
    return {
        aten.trunc.default: lambda place, x: _trunc(x),
        aten.fmod.Scalar: _fmod,
        aten.fmod.Tensor: _fmod,
        aten.hypot.default: _hypot,
        aten.cdist.default: _cdist,
        aten.median.dim: _median,
        aten.diagonal.default: _diagonal,
        **dict.fromkeys((aten.__or__.Tensor, aten.bitwise_or.Tensor), _logical(aten.logical_or.default)),
        **dict.fromkeys((aten.__xor__.Tensor, aten.bitwise_xor.Tensor), _logical(aten.logical_xor.default)),
    }


def _trunc(x: Any) -> Any:
    import torch

    aten = torch.ops.aten
    return aten.where.self(aten.lt.Scalar(x, 0), aten.ceil.default(x), aten.floor.default(x))


def _fmod(place: Place, x: Any, divisor: Any) -> Any:
    import torch

    aten = torch.ops.aten
    if not place.value().is_floating_point():
        return None
    whole = aten.mul.Tensor(_trunc(aten.div.Tensor(x, divisor)), divisor)
    return aten.sub.Tensor(x, whole)


def _hypot(place: Place, x: Any, y: Any) -> Any:
    import torch

    aten = torch.ops.aten
    return aten.sqrt.default(aten.add.Tensor(aten.pow.Tensor_Scalar(x, 2), aten.pow.Tensor_Scalar(y, 2)))


def _cdist(place: Place, x: Any, y: Any, p: float = 2.0, compute_mode: int | None = None) -> Any:
    """Euclidean distances [..., P, M] and [..., R, M] → [..., P, R]."""
    import torch

    aten = torch.ops.aten
    if p != 2:
        return None
    apart = aten.sub.Tensor(aten.unsqueeze.default(x, -2), aten.unsqueeze.default(y, -3))
    return aten.sqrt.default(aten.sum.dim_IntList(aten.pow.Tensor_Scalar(apart, 2), [-1]))


def _median(place: Place, x: Any, dim: int, keepdim: bool = False) -> Any:
    """The lower middle of the sorted values, where nobody asks for its index."""
    import torch

    aten, sizes = torch.ops.aten, place.sizes
    taken = [user for user in place.node.users if user.target is operator.getitem]
    if sizes is None or any(user.args[1] == 1 and user.users for user in taken):
        return None
    middle = (sizes[dim] - 1) // 2
    values = aten.sort.default(x, dim)[0]
    values = aten.slice.Tensor(values, dim, middle, middle + 1)
    values = values if keepdim else aten.squeeze.dim(values, dim)
    for user in taken:
        user.replace_all_uses_with(values.node)
    return values


def _diagonal(place: Place, x: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """A gather from the two dimensions, flattened at the end."""
    import torch

    aten, sizes = torch.ops.aten, place.sizes
    if sizes is None:
        return None
    dim1, dim2 = dim1 % len(sizes), dim2 % len(sizes)
    rest = [axis for axis in range(len(sizes)) if axis not in (dim1, dim2)]
    index = torch.arange(sizes[dim1] * sizes[dim2]).view(sizes[dim1], sizes[dim2]).diagonal(offset)
    last = aten.permute.default(x, [*rest, dim1, dim2])
    flat = aten.reshape.default(last, [*(sizes[axis] for axis in rest), sizes[dim1] * sizes[dim2]])
    return aten.index_select.default(flat, len(rest), place.constant("index", index.contiguous()))


def _logical(twin: Any) -> Any:
    """Of bools, the logical operator; integers keep the one they have."""
    import torch

    def rewritten(place: Place, x: Any, y: Any) -> Any:
        return twin(x, y) if place.value().dtype is torch.bool else None

    return rewritten

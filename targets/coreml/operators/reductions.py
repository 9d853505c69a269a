"""Operators of MIL that reduce, accumulate, sort or normalize along axes."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from edgeship.targets.coreml.operators.table import OPERATORS, Function, operator, sizes


def _reduction(function: Callable[[Tensor, list[int], bool], Tensor]) -> Function:
    def reduce(x: Tensor, keep_dims: Tensor, axes: Tensor | None = None) -> Tensor:
        return function(x, list(range(x.ndim)) if axes is None else sizes(axes), bool(keep_dims))

    return reduce


def _product(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in sorted((a % x.ndim for a in axes), reverse=True):
        x = x.prod(axis, keepdim=keep)
    return x


OPERATORS.update(
    {
        name: _reduction(function)
        for name, function in {
            "reduce_sum": lambda x, axes, keep: x.sum(axes, keepdim=keep),
            "reduce_mean": lambda x, axes, keep: x.mean(axes, keepdim=keep),
            "reduce_max": lambda x, axes, keep: x.amax(axes, keepdim=keep),
            "reduce_min": lambda x, axes, keep: x.amin(axes, keepdim=keep),
            "reduce_prod": _product,
            "reduce_l1_norm": lambda x, axes, keep: x.abs().sum(axes, keepdim=keep),
            "reduce_l2_norm": lambda x, axes, keep: x.square().sum(axes, keepdim=keep).sqrt(),
            "reduce_sum_square": lambda x, axes, keep: x.square().sum(axes, keepdim=keep),
            "reduce_log_sum": lambda x, axes, keep: x.sum(axes, keepdim=keep).log(),
            "reduce_log_sum_exp": lambda x, axes, keep: torch.logsumexp(x, axes, keepdim=keep),
        }.items()
    }
)


@operator
def reduce_argmax(x: Tensor, axis: Tensor, keep_dims: Tensor, output_dtype: str = "int32") -> Tensor:
    return x.argmax(int(axis), keepdim=bool(keep_dims))


@operator
def reduce_argmin(x: Tensor, axis: Tensor, keep_dims: Tensor, output_dtype: str = "int32") -> Tensor:
    return x.argmin(int(axis), keepdim=bool(keep_dims))


@operator
def softmax(x: Tensor, axis: Tensor) -> Tensor:
    return torch.softmax(x, int(axis))


@operator
def cumsum(x: Tensor, axis: Tensor, exclusive: Tensor, reverse: Tensor) -> Tensor:
    dim = int(axis)
    if bool(reverse):
        x = x.flip(dim)
    total = x.cumsum(dim)
    if bool(exclusive):
        total = total - x
    return total.flip(dim) if bool(reverse) else total


@operator
def argsort(x: Tensor, axis: Tensor, ascending: Tensor) -> Tensor:
    return torch.sort(x, dim=int(axis), descending=not bool(ascending), stable=True).indices


@operator
def topk(
    x: Tensor,
    k: Tensor,
    axis: Tensor,
    ascending: Tensor,
    sort: Tensor | None = None,
    return_indices: Tensor | None = None,
    output_indices_dtype: str = "int32",
) -> list[Tensor]:
    dim = int(axis)
    count = x.shape[dim] if int(k) == -1 else int(k)
    values, indices = torch.sort(x, dim=dim, descending=not bool(ascending), stable=True)
    found = [values.narrow(dim, 0, count), indices.narrow(dim, 0, count)]
    return found if return_indices is None or bool(return_indices) else found[:1]


@operator
def batch_norm(
    x: Tensor, mean: Tensor, variance: Tensor, epsilon: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None
) -> Tensor:
    return F.batch_norm(x, mean, variance, gamma, beta, eps=float(epsilon))


@operator
def instance_norm(x: Tensor, epsilon: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None) -> Tensor:
    return F.instance_norm(x, weight=gamma, bias=beta, eps=float(epsilon))


@operator
def layer_norm(
    x: Tensor,
    epsilon: Tensor,
    axes: Tensor | None = None,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
) -> Tensor:
    dims = list(range(x.ndim)) if axes is None else [a % x.ndim for a in sizes(axes)]
    centred = x - x.mean(dims, keepdim=True)
    result = centred * torch.rsqrt(centred.square().mean(dims, keepdim=True) + epsilon)
    shape = [size if axis in dims else 1 for axis, size in enumerate(x.shape)]
    if gamma is not None:
        result = result * gamma.reshape(shape)
    return result if beta is None else result + beta.reshape(shape)


@operator
def l2_norm(x: Tensor, epsilon: Tensor) -> Tensor:
    dims = list(range(x.ndim))[-3:]
    return x * torch.rsqrt(x.square().sum(dims, keepdim=True) + epsilon)


@operator
def local_response_norm(x: Tensor, size: Tensor, alpha: Tensor, beta: Tensor, k: Tensor) -> Tensor:
    return F.local_response_norm(x, int(size), float(alpha), float(beta), float(k))

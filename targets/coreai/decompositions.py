"""Operators that coreai-torch 0.4.3 has no lowering for, or a slow one, in those that it has."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from edgeship.toolchain.api import adaptive_maximum


def lacking() -> dict[Any, Callable[..., Any]]:
    """For run_decompositions: torch's own where it has one, else ours."""
    import torch
    from torch._decomp import get_decompositions

    aten = torch.ops.aten
    return {
        **get_decompositions([aten.elu, aten.grid_sampler_2d]),
        aten.var.correction: _variance,
        aten.argmin.default: lambda x, dim=None, keepdim=False: torch.argmax(-x, dim, keepdim),
        aten._prelu_kernel.default: _prelu,
        aten.isnan.default: lambda x: x != x,
        aten.remainder.Scalar: lambda x, divisor: x - torch.div(x, divisor, rounding_mode="floor") * divisor,
        aten.logaddexp.default: _logaddexp,
        aten.sort.default: _sort,
        aten.adaptive_max_pool2d.default: _adaptive_max_pool2d,
    }


def _variance(
    x: Any, dim: Sequence[int] | None = None, *, correction: float | None = None, keepdim: bool = False
) -> Any:
    axes = [*range(x.dim())] if not dim else [axis % x.dim() for axis in dim]
    count = math.prod(x.shape[axis] for axis in axes)
    squares = (x - x.mean(axes, keepdim=True)).square().sum(axes, keepdim=keepdim)
    return squares / max(count - (1 if correction is None else correction), 0)


def _prelu(x: Any, weight: Any) -> Any:
    """As where(x > 0, x, weight * x) the converter folds the weight into a second convolution beside the first."""
    return x.clamp(min=0.0) + weight * x.clamp(max=0.0)


def _logaddexp(x: Any, y: Any) -> Any:
    import torch

    return torch.maximum(x, y) + torch.log(1 + torch.exp(-(x - y).abs()))


def _sort(x: Any, dim: int = -1, descending: bool = False) -> Any:
    import torch

    values, indices = torch.ops.aten.topk.default(x, x.shape[dim], dim, descending, True)
    return values, indices


def _adaptive_max_pool2d(x: Any, output_size: Sequence[int]) -> Any:
    import torch

    largest = adaptive_maximum(x, output_size)
    return largest, torch.zeros_like(largest, dtype=torch.int64)

"""Max pools that the converter does not take, in operators that it does: strides left out, dilation, adaptive in 3d."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any, cast

from edgeship.toolchain.api import adaptive_maximum

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram
    from torch.fx import Node


def decompositions(program: ExportedProgram) -> dict[Any, Callable[..., Any]]:
    """For run_decompositions: those of the operators in this program that need one.

    Where the indices of an operator's maxima are used anywhere it has none: Core ML does not tell them.
    """
    import torch

    aten = torch.ops.aten
    known = {
        aten.max_pool2d.default: _pool(aten.max_pool2d.default, indices=False),
        aten.max_pool3d.default: _pool(aten.max_pool3d.default, indices=False),
        aten.max_pool2d_with_indices.default: _pool(aten.max_pool2d_with_indices.default, indices=True),
        aten.max_pool3d_with_indices.default: _pool(aten.max_pool3d_with_indices.default, indices=True),
        aten.adaptive_max_pool3d.default: _adaptive_pool,
    }
    nodes = [node for node in program.graph.nodes if node.target in known]
    targets = {node.target for node in nodes if _is_needed(node)} - {n.target for n in nodes if _uses_indices(n)}
    return {target: known[target] for target in targets}


def _is_needed(node: Node) -> bool:
    if "adaptive" in str(node.target):
        return True
    args, kwargs = cast("tuple[Any, ...]", node.args), cast("dict[str, Any]", node.kwargs)
    _, _, stride, _, dilation, _ = _arguments(*args, **kwargs)
    return not stride or any(factor > 1 for factor in dilation)


def _uses_indices(node: Node) -> bool:
    return any(user.target is operator.getitem and user.args[1] == 1 and user.users for user in node.users)


def _arguments(
    x: Any,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    ceil_mode: bool = False,
) -> tuple[Any, Sequence[int], Sequence[int], Sequence[int], Sequence[int], bool]:
    """A max pool's arguments as aten declares them; one number that stands for all dimensions is repeated."""

    def each(values: Sequence[int]) -> Sequence[int]:
        return values if len(values) != 1 else [*values] * len(kernel_size)

    return x, each(kernel_size), each(stride), each(padding), each(dilation), ceil_mode


def _pool(target: Any, indices: bool) -> Callable[..., Any]:
    def pool(*args: Any, **kwargs: Any) -> Any:
        x, kernel, stride, padding, dilation, ceil_mode = _arguments(*args, **kwargs)
        if any(factor > 1 for factor in dilation):
            values = _dilated_pool(x, kernel, stride or kernel, padding, dilation, ceil_mode)
            return (values, _no_indices(values)) if indices else values
        return NotImplemented if stride else target(x, kernel, kernel, padding, dilation, ceil_mode)

    return pool


def _dilated_pool(
    x: torch.Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool,
) -> torch.Tensor:
    """One dimension after the other, each the maximum over the window's strided slices of the whole tensor."""
    import torch

    for axis, (window, step, pad, apart) in enumerate(zip(kernel, stride, padding, dilation, strict=True)):
        dim, reach = axis - len(kernel), apart * (window - 1) + 1
        size = x.shape[dim]
        count = (size + 2 * pad - reach + (step - 1 if ceil_mode else 0)) // step + 1
        if ceil_mode and (count - 1) * step >= size + pad:
            count -= 1  # no window starts in the padding on the right
        after = max(0, (count - 1) * step + reach - size - pad)
        if pad or after:
            x = torch.nn.functional.pad(x, [0, 0] * (-dim - 1) + [pad, after], value=float("-inf"))
        starts = range(0, reach, apart)
        slices = [torch.ops.aten.slice.Tensor(x, dim, i, i + (count - 1) * step + 1, step) for i in starts]
        x = reduce(torch.maximum, slices)
    return x


def _adaptive_pool(x: torch.Tensor, output_size: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    largest = adaptive_maximum(x, output_size)
    return largest, _no_indices(largest)


def _no_indices(values: torch.Tensor) -> torch.Tensor:
    """What stands for indices that nobody uses."""
    import torch

    return torch.zeros_like(values, dtype=torch.int64)

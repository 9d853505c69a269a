"""Operators that torch.export leaves and converters do not take, as others that all of them take: the same numbers.

Each is rewritten in the float program, once for every pass and target. An operator whose sizes are dynamic where the
rewrite must know them stays as it is.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edgeship.toolchain.model.computed import has_computed, store_computed
from edgeship.toolchain.model.deformable import OPERATOR, deformable_convolution
from edgeship.toolchain.model.elementary import arithmetic
from edgeship.toolchain.model.layout import has_memory_format, without_memory_format
from edgeship.toolchain.model.resampling import resizes
from edgeship.toolchain.model.rewriting import Place, Rewrite, rewrite
from edgeship.toolchain.model.spectra import without_complex_numbers

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.fx import GraphModule

END = 2**63 - 1
"""What aten.slice takes for the end of a dimension."""
LIBRARIES: dict[str, Rewrite] = {OPERATOR: deformable_convolution}
"""By name: these operators exist only where their library was imported."""
MOST_SLICES = 64
"""Windows with more elements are gathered by index instead of stacked from slices."""


def portable(program: ExportedProgram) -> GraphModule | None:
    """The program's module with every such operator rewritten; None where it has none. It must be exported again."""
    rewrites = {**_rewrites(), **_of_libraries(program)}
    refused = any(node.target in rewrites for node in program.graph.nodes)
    if not refused and not _is_complex(program) and not has_memory_format(program) and not has_computed(program):
        return None
    module: Any = program.module(check_guards=False)
    changed = without_complex_numbers(module)
    changed |= without_memory_format(module)
    changed |= rewrite(module, rewrites)
    changed |= store_computed(module)
    rewritten: GraphModule | None = module if changed else None
    return rewritten


def _of_libraries(program: ExportedProgram) -> dict[Any, Rewrite]:
    return {node.target: LIBRARIES[name] for node in program.graph.nodes if (name := str(node.target)) in LIBRARIES}


def _is_complex(program: ExportedProgram) -> bool:
    dtypes = (getattr(node.meta.get("val"), "dtype", None) for node in program.graph.nodes)
    return any(dtype is not None and dtype.is_complex for dtype in dtypes)


@functools.cache
def _rewrites() -> dict[Any, Rewrite]:
    import torch

    aten = torch.ops.aten
    return {
        aten.alias.default: _same,
        aten.detach.default: _same,
        aten.detach_.default: _same,  # a program that was stored cannot be exported again with it
        aten.new_ones.default: lambda place, x, size, **options: _full(place, size, 1, options),
        aten.new_zeros.default: lambda place, x, size, **options: _full(place, size, 0, options),
        aten.new_full.default: lambda place, x, size, value, **options: _full(place, size, value, options),
        aten.diff.default: _diff,
        aten.roll.default: _roll,
        aten.hardtanh.default: _float_limits,
        aten.im2col.default: _im2col,
        aten.unfold.default: _unfold,
        aten.as_strided.default: _as_strided,
        aten.affine_grid_generator.default: _affine_grid,
        **resizes(),
        **arithmetic(),
    }


def _same(place: Place, x: Any) -> Any:
    returned = any(user.op == "output" for user in place.node.users)
    return None if returned and x.node.op == "placeholder" else x


def _full(place: Place, size: Any, value: Any, options: dict[str, Any]) -> Any:
    import torch

    dtype = options.get("dtype") or place.value().dtype
    number = float(value) if dtype.is_floating_point and isinstance(value, int) else value
    return place.call(torch.ops.aten.full.default, size, number, dtype=dtype)


def _float_limits(place: Place, x: Any, low: float = -1.0, high: float = 1.0) -> Any:
    """Limits that the user wrote as integers, as floats: coremltools stops at the others."""
    import torch

    if isinstance(low, float) and isinstance(high, float):
        return None
    return torch.ops.aten.hardtanh.default(x, float(low), float(high))


def _diff(place: Place, x: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    import torch

    aten = torch.ops.aten
    if place.value().dtype is torch.bool:
        return None
    parts = [part for part in (prepend, x, append) if part is not None]
    x = aten.cat.default(parts, dim) if len(parts) > 1 else x
    for _ in range(n):
        x = aten.sub.Tensor(aten.slice.Tensor(x, dim, 1, END), aten.slice.Tensor(x, dim, 0, -1))
    return x


def _roll(place: Place, x: Any, shifts: Sequence[int], dims: Sequence[int] = ()) -> Any:
    """Along each dimension the last elements, then the first."""
    import torch

    aten, sizes = torch.ops.aten, place.sizes
    if sizes is None or not dims:
        return None
    for shift, dim in zip(shifts, dims, strict=True):
        if first := -shift % (sizes[dim] or 1):
            x = aten.cat.default([aten.slice.Tensor(x, dim, first, END), aten.slice.Tensor(x, dim, 0, first)], dim)
    return x


def _im2col(
    place: Place,
    x: Any,
    kernel: Sequence[int],
    dilation: Sequence[int],
    padding: Sequence[int],
    stride: Sequence[int],
) -> Any:
    """Windows' elements are strided slices of the padded image, stacked: [N, C · kernel, windows]."""
    import torch

    aten, sizes = torch.ops.aten, place.sizes
    if sizes is None or len(sizes) != 4 or math.prod(kernel) > MOST_SLICES:
        return None
    (height, width), (down, right) = sizes[2:], padding
    rows = (height + 2 * down - dilation[0] * (kernel[0] - 1) - 1) // stride[0] + 1
    columns = (width + 2 * right - dilation[1] * (kernel[1] - 1) - 1) // stride[1] + 1
    if any(padding):
        x = aten.pad.default(x, [right, right, down, down])
    slices = []
    for i in range(kernel[0]):
        top = i * dilation[0]
        lines = aten.slice.Tensor(x, 2, top, top + (rows - 1) * stride[0] + 1, stride[0])
        for j in range(kernel[1]):
            left = j * dilation[1]
            slices.append(aten.slice.Tensor(lines, 3, left, left + (columns - 1) * stride[1] + 1, stride[1]))
    stacked = aten.stack.default(slices, 2)
    return aten.reshape.default(stacked, [sizes[0], sizes[1] * len(slices), rows * columns])


def _unfold(place: Place, x: Any, dim: int, size: int, step: int) -> Any:
    """Windows along one dimension, their elements last."""
    import torch

    aten, sizes = torch.ops.aten, place.sizes
    if sizes is None or not sizes:
        return None
    dim %= len(sizes)
    windows = (sizes[dim] - size) // step + 1
    if size <= MOST_SLICES:
        slices = [aten.slice.Tensor(x, dim, i, i + (windows - 1) * step + 1, step) for i in range(size)]
        return aten.stack.default(slices, -1)
    index = torch.arange(windows)[:, None] * step + torch.arange(size)
    taken = aten.index_select.default(x, dim, place.constant("index", index.flatten()))
    split = aten.reshape.default(taken, [*sizes[:dim], windows, size, *sizes[dim + 1 :]])
    order = [axis for axis in range(len(sizes) + 1) if axis != dim + 1]
    return aten.permute.default(split, [*order, dim + 1])


def _as_strided(place: Place, x: Any, size: Sequence[int], stride: Sequence[int], offset: int | None = None) -> Any:
    """The tensor in the order of its storage; then a reshape where the strides are contiguous, else a gather."""
    import torch

    aten, value = torch.ops.aten, place.value()
    numbers = [*value.shape, *value.stride(), *size, *stride, offset or 0, value.storage_offset()]
    if not all(isinstance(number, int) for number in numbers) or offset or value.storage_offset():
        return None
    steps = value.stride()
    order = sorted(range(value.dim()), key=lambda axis: (-steps[axis], axis))
    if not value.permute(order).is_contiguous():
        return None
    flat = x if order == list(range(value.dim())) else aten.permute.default(x, order)
    index = torch.zeros((), dtype=torch.int64)
    for count, step in zip(size, stride, strict=True):
        index = index[..., None] + torch.arange(count) * step
    if torch.equal(index.flatten(), torch.arange(value.numel())):
        return aten.reshape.default(flat, list(size))
    flat = aten.reshape.default(flat, [-1])
    taken = aten.index_select.default(flat, 0, place.constant("index", index.flatten()))
    return aten.reshape.default(taken, list(size))


def _affine_grid(place: Place, theta: Any, size: Sequence[int], align_corners: bool = False) -> Any:
    """A constant grid times the matrix: [N, 2, 3] → [N, H, W, 2]."""
    import torch

    aten = torch.ops.aten
    if len(size) != 4 or not all(isinstance(number, int) for number in size):
        return None
    count, _, height, width = size
    identity = torch.eye(2, 3)[None]
    ones = torch.ones(1, height, width, 1)
    grid = torch.cat([torch.nn.functional.affine_grid(identity, [1, 1, height, width], align_corners), ones], -1)
    base = place.constant("grid", grid.view(1, height * width, 3).to(place.value().dtype))
    moved = aten.matmul.default(base, aten.transpose.int(theta, 1, 2))
    return aten.reshape.default(moved, [count, height, width, 2])

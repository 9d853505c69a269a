"""Torchvision's deformable convolution, which no converter has, as samples of its input and a convolution over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from edgeship.toolchain.model.rewriting import Place

OPERATOR = "torchvision.deform_conv2d.default"


def deformable_convolution(
    place: Place,
    x: Any,
    weight: Any,
    offset: Any,
    mask: Any,
    bias: Any,
    *numbers: Any,
) -> Any:
    """Each kernel element's values, sampled bilinearly between pixels, become channels of a convolution of size 1.

    `numbers` are strides, paddings and dilations as (height, width), groups, groups of offsets, whether a mask is used.
    """
    import torch

    aten, sizes = torch.ops.aten, place.sizes
    *strided, groups, parts, masked = numbers
    if sizes is None:
        return None
    count, channels, height, width = sizes
    kernel = place.value(1).shape
    points, (down, right) = kernel[2] * kernel[3], place.node.meta["val"].shape[2:]
    # five dimensions: Core ML has no more
    moved = aten.reshape.default(offset, [count * parts, points, 2, down, right])
    moved = aten.add.Tensor(moved, place.constant("places", _places(kernel[2:], (down, right), strided)))
    # pixels → what grid_sampler takes: -1 and 1 are the image's edges
    inverse = torch.tensor([2 / height, 2 / width]).view(1, 1, 2, 1, 1)
    edge = torch.tensor([1 / height - 1, 1 / width - 1]).view(1, 1, 2, 1, 1)
    moved = aten.mul.Tensor(moved, place.constant("inverse", inverse))
    moved = aten.add.Tensor(moved, place.constant("edge", edge))
    right_first = [aten.slice.Tensor(moved, 2, at, at + 1) for at in (1, 0)]
    grid = aten.permute.default(aten.cat.default(right_first, 2), [0, 1, 3, 4, 2])
    grid = aten.reshape.default(grid, [count * parts, points * down, right, 2])
    image = aten.reshape.default(x, [count * parts, channels // parts, height, width])
    taken = aten.grid_sampler.default(image, grid, 0, 0, False)
    if masked:
        taken = aten.mul.Tensor(taken, aten.reshape.default(mask, [count * parts, 1, points * down, right]))
    taken = aten.reshape.default(taken, [count, channels * points, down, right])
    flat = aten.reshape.default(weight, [kernel[0], kernel[1] * points, 1, 1])
    return aten.conv2d.default(taken, flat, bias, [1, 1], [0, 0], [1, 1], groups)


def _places(kernel: Any, answered: Any, strided: list[int]) -> torch.Tensor:
    """Where each kernel element stands without an offset: pixels [1, kernel, 2, height, width], height first."""
    import torch

    strides, paddings, dilations = strided[:2], strided[2:4], strided[4:]
    lines = [
        torch.arange(size)[None, :] * stride - padding + torch.arange(elements)[:, None] * dilation
        for size, elements, stride, padding, dilation in zip(
            answered, kernel, strides, paddings, dilations, strict=True
        )
    ]
    shape = (*kernel, *answered)
    rows = lines[0][:, None, :, None].expand(shape)
    columns = lines[1][None, :, None, :].expand(shape)
    return torch.stack([rows, columns], 2).reshape(1, -1, 2, *answered).to(torch.float32)

"""Dynamic dimensions are followed from the inputs into the outputs by calling the model with two sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeship.toolchain.model import soundness

if TYPE_CHECKING:
    import torch
    from torch import nn

    from edgeship.toolchain.model.source import ModelInput, ModelSource


def output_shapes(
    source: ModelSource,
    module: nn.Module,
    example: tuple[torch.Tensor, ...],
    names: tuple[str, ...],
    values: list[tuple[str, torch.Tensor]],
) -> list[tuple[int | str, ...]]:
    """The shape of each output, with the name of the dynamic dimension an axis has, or `<output>_<axis>` where its
    size only follows from one. SourceError when the model does not take the other size."""
    shapes: list[list[int | str]] = [list(value.shape) for _, value in values]
    for dim, (_, high) in source.dims.items():
        before = next(
            value.shape[axis]
            for value, declared in zip(example, source.inputs, strict=True)
            for axis, size in enumerate(declared.shape)
            if size == dim
        )
        after = before + 1 if before < high else before - 1
        grown = [_resized(v, i, dim, after) for v, i in zip(example, source.inputs, strict=True)]
        for name, (_, value), (_, other), shape in zip(
            names, values, soundness.call(module, tuple(grown), f"with {dim} = {after}"), shapes, strict=True
        ):
            for axis, (size, changed) in enumerate(zip(value.shape, other.shape, strict=True)):
                if size != changed:
                    shape[axis] = dim if (size, changed) == (before, after) else f"{name}_{axis}"
    return [tuple(shape) for shape in shapes]


def _resized(value: torch.Tensor, declared: ModelInput, dim: str, size: int) -> torch.Tensor:
    for axis, name in enumerate(declared.shape):
        if name == dim:
            index = [i % value.shape[axis] for i in range(size)]
            value = value[(slice(None),) * axis + (index,)]
    return value

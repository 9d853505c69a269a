"""A model's inputs and outputs: one example of its inputs, and what calling it with that shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from edgeship.toolchain import artifact
from edgeship.toolchain.errors import SourceError
from edgeship.toolchain.model import soundness
from edgeship.toolchain.model.source import ModelInput, ModelSource, declared
from edgeship.toolchain.plugin import Signature
from edgeship.toolchain.samples import Samples

if TYPE_CHECKING:
    import torch
    from torch import nn


def example(source: ModelSource, samples: Samples | None = None, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """One set of the model's inputs, in order, batch 1: the first sample, or synthetic values without data.

    Raises SourceError when the sample does not fit the declared inputs.
    """
    import numpy as np
    import torch

    if samples is None or not len(samples):
        generator = torch.Generator().manual_seed(seed)
        return tuple(_synthetic(value, source.dims, generator) for value in source.inputs)
    names = [value.name for value in source.inputs]
    if set(samples.inputs) != set(names):
        raise SourceError(
            f"the data has {', '.join(samples.inputs)}; the model takes {', '.join(names)}", "name the data's arrays so"
        )
    rows = [np.array(samples.inputs[name][0]) for name in names]
    for value, row in zip(source.inputs, rows, strict=True):
        if not _fits(row.shape, value.shape, source.dims) or str(row.dtype) != value.dtype:
            raise SourceError(
                f"input {value.name!r} is declared {value.dtype} {list(value.shape)}, its data is {row.dtype} "
                f"{list(row.shape)}",
                "correct the input's shape and dtype, or the data's preprocessing",
            )
    return tuple(torch.from_numpy(row) for row in rows)


def _fits(shape: tuple[int, ...], wanted: tuple[int | str, ...], dims: dict[str, tuple[int, int]]) -> bool:
    if len(shape) != len(wanted):
        return False
    bounds = [dims[size] if isinstance(size, str) else (size, size) for size in wanted]
    return all(low <= size <= high for size, (low, high) in zip(shape, bounds, strict=True))


def _synthetic(value: ModelInput, dims: dict[str, tuple[int, int]], generator: torch.Generator) -> torch.Tensor:
    import torch

    shape = []
    for axis, size in enumerate(value.shape):
        if isinstance(size, str):
            low, high = dims[size]
            size = low if axis == 0 else min(high, max(low, 16))  # batch 1; long enough elsewhere to be typical
        shape.append(size)
    dtype = getattr(torch, value.dtype)
    if dtype.is_floating_point and value.range is None:
        return torch.randn(shape, generator=generator).to(dtype)
    smallest, largest = value.range or (0.0, 1.0)
    if dtype.is_floating_point:
        return (torch.rand(shape, generator=generator) * (largest - smallest) + smallest).to(dtype)
    return torch.randint(int(smallest), int(largest) + 1, shape, generator=generator).to(dtype)


def signature(
    source: ModelSource,
    module: nn.Module,
    example: tuple[torch.Tensor, ...],
    warn: Callable[[str], None] = lambda message: None,
) -> Signature:
    """Names, shapes and dtypes of inputs and outputs, outputs found by calling the flat `module`.

    A dynamic dimension is followed into the outputs by calling with two sizes; an output size that follows from one
    is named `<output>_<axis>`. Raises SourceError when a call fails or its answers are of no use.
    """

    values = soundness.call(module, example)
    names = source.outputs or tuple(name for name, _ in values)
    if len(names) != len(values):
        own = ", ".join(name for name, _ in values)
        raise SourceError(f"`outputs` names {len(names)} outputs, the model has {len(values)}: {own}", "name each")
    named = [(name, value) for name, (_, value) in zip(names, values, strict=True)]
    soundness.check(module, example, named, warn)
    soundness.check_branches(module, warn)
    clash = set(names) & {value.name for value in source.inputs}
    if clash:
        raise SourceError(
            f"an input and an output are called {', '.join(sorted(clash))}", "give the outputs names with `outputs`"
        )
    if unknown := set(source.state) - set(names):
        raise SourceError(f"state: there is no output {', '.join(sorted(unknown))}", f"outputs: {', '.join(names)}")
    shapes = output_shapes(source, module, example, names, values)
    outputs = tuple(
        artifact.Tensor(name=name, dtype=str(value.dtype).removeprefix("torch."), shape=shape)
        for name, (_, value), shape in zip(names, values, shapes, strict=True)
    )
    return declared(source, outputs)


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
            for value, given in zip(example, source.inputs, strict=True)
            for axis, size in enumerate(given.shape)
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


def _resized(value: torch.Tensor, given: ModelInput, dim: str, size: int) -> torch.Tensor:
    for axis, name in enumerate(given.shape):
        if name == dim:
            index = [i % value.shape[axis] for i in range(size)]
            value = value[(slice(None),) * axis + (index,)]
    return value

"""What an app does around a model, folded into its program: pictures go in as bytes, probabilities come out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeship.toolchain.artifact import Contract, ImageInput, Tensor
from edgeship.toolchain.errors import DataError
from edgeship.toolchain.model.source import ModelSource
from edgeship.toolchain.plugin import Signature
from edgeship.toolchain.samples import Array, Samples

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram
    from torch.fx import GraphModule, Node

BYTES = 255
"""The largest value that a stored picture has."""
EXACT = 0.02
"""Of the step between two stored values; what float32 adds to numbers made of bytes is a hundredth of it."""


def pictures(contract: Contract) -> dict[str, ImageInput]:
    """The inputs that are pictures."""
    return {name: said for name, said in contract.inputs.items() if isinstance(said, ImageInput)}


def left_to_the_app(contract: Contract) -> Contract:
    """What an app still does: upright, colour, resize and crop; no softmax. A sound or a text stays as it was."""
    plain = {"scale": 1.0, "mean": (0.0,), "std": (1.0,), "layout": "hwc"}
    stored = {name: said.model_copy(update=plain) for name, said in pictures(contract).items()}
    ranges = {**contract.ranges, **{name: (0.0, float(BYTES)) for name in stored}}
    probabilities = contract.logits or contract.probabilities
    update = {"inputs": {**contract.inputs, **stored}, "ranges": ranges}
    return contract.model_copy(update={**update, "logits": None, "probabilities": probabilities})


def source_in_graph(source: ModelSource, contract: Contract) -> ModelSource:
    """The model's inputs as the folded program takes them."""
    inputs = []
    for given in source.inputs:
        if said := pictures(contract).get(given.name):
            shape = _stored_shape(given.shape, said)
            given = given.model_copy(update={"shape": shape, "dtype": "uint8", "low": None, "high": float(BYTES)})
        inputs.append(given)
    return source.model_copy(update={"inputs": tuple(inputs)})


def samples_in_graph(samples: Samples, contract: Contract) -> tuple[Samples, tuple[str, ...]]:
    """Samples whose pictures are the bytes that they were made of, and warnings of numbers that lie between bytes.

    DataError where numbers are none that the contract makes of bytes.
    """
    inputs, warnings = dict(samples.inputs), []
    for name, said in pictures(contract).items():
        inputs[name], off = _bytes(name, samples.inputs[name], said)
        if off > EXACT and not samples.synthetic:
            warnings.append(
                f"{name}: the data is not made of bytes as the contract says, but up to {off:.2f} of a step between "
                "them: in_graph compares on the nearest bytes"
            )
    return replace(samples, inputs=inputs), tuple(warnings)


def fold(
    program: ExportedProgram,
    before: Signature,
    after: Signature,
    contract: Contract,
    example: Sequence[torch.Tensor],
) -> ExportedProgram:
    """The program with its pictures' numbers made inside, in the order and precision of the contract's libraries, and
    the softmax of its logits.

    `before` is the program's own signature, `after` and `example` are of the folded one. ExportError as `export`
    raises it.
    """
    import torch

    from edgeship.toolchain.model.program import export

    module: Any = program.module(check_guards=False)
    graph = module.graph
    places = [node for node in graph.nodes if node.op == "placeholder"]
    with graph.inserting_before(places[-1].next):
        for tensor, place in zip(before.inputs, places, strict=True):
            if said := pictures(contract).get(tensor.name):
                readers = list(place.users)
                made = _normalized(module, place, said, tensor)
                for reader in readers:
                    reader.replace_input_with(place, made)
    if contract.logits is not None:
        (answer,) = [node for node in graph.nodes if node.op == "output"]
        at = [tensor.name for tensor in before.outputs].index(contract.logits)
        values = list(answer.args[0])
        with graph.inserting_before(answer):
            values[at] = graph.call_function(torch.ops.aten.softmax.int, (values[at], -1))
        answer.args = (tuple(values),)
    # a new module: the old one checks that its inputs have the shapes they had
    return export(torch.fx.GraphModule(module, graph), example, after)


def _normalized(module: GraphModule, stored: Node, said: ImageInput, tensor: Tensor) -> Node:
    """(value × scale − mean) / std in float32, then the layout; steps that change nothing are left out."""
    import torch

    aten, graph = torch.ops.aten, module.graph
    value = graph.call_function(aten._to_copy.default, (stored,), {"dtype": torch.float32})
    if said.scale != 1:
        value = graph.call_function(aten.mul.Tensor, (value, said.scale))
    steps = (("mean", aten.sub.Tensor, said.mean, 0), ("std", aten.div.Tensor, said.std, 1))
    for name, operator, numbers, neutral in steps:
        if set(numbers) == {neutral}:
            continue
        operand: Any = numbers[0]
        if len(numbers) > 1:  # along the last dimension, where a picture's channels are
            buffer = f"in_graph_{tensor.name}_{name}"
            module.register_buffer(buffer, torch.tensor(numbers, dtype=torch.float32))
            operand = graph.get_attr(buffer)
        value = graph.call_function(operator, (value, operand))
    if said.layout == "chw":
        axes = list(range(len(tensor.shape)))
        value = graph.call_function(aten.permute.default, (value, [*axes[:-3], axes[-1], axes[-3], axes[-2]]))
    if tensor.dtype != "float32":
        value = graph.call_function(aten._to_copy.default, (value,), {"dtype": getattr(torch, tensor.dtype)})
    return value


def _stored_shape(shape: tuple[int | str, ...], said: ImageInput) -> tuple[int | str, ...]:
    return (*shape[:-3], *shape[-2:], shape[-3]) if said.layout == "chw" else shape


def _bytes(name: str, values: Array, said: ImageInput) -> tuple[NDArray[np.uint8], float]:
    """[n, *shape] of the model's numbers → of bytes, and how far they lay from whole ones, as a part of a step."""
    last = np.moveaxis(values, -3, -1) if said.layout == "chw" else values
    stored = (last.astype(np.float64) * np.asarray(said.std) + np.asarray(said.mean)) / said.scale
    whole = np.rint(stored)
    if not np.isfinite(stored).all() or whole.min() < 0 or whole.max() > BYTES:
        raise DataError(
            f"{name}: as the contract says, its data would be made of pictures with values from {stored.min():.4g} to "
            f"{stored.max():.4g}, and stored ones are 0 to {BYTES}",
            "correct scale, mean and std of its picture in [contract], or leave in_graph out",
        )
    return np.ascontiguousarray(whole.astype(np.uint8)), float(np.abs(stored - whole).max())

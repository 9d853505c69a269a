"""One .tflite model for many sizes, made of two that were converted at one size each.

litert-torch writes the size it traced with into what it lowers (its convolutions fix the batch), so a file converted
with dynamic dimensions loads and then stops, or stops its converter. Converted at two fixed sizes the same program
gives two graphs that differ in nothing but the numbers that follow those sizes: here they become -1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeship.targets.litert.rewrites import dtype_name, operator_name
from edgeship.toolchain.api import Signature

if TYPE_CHECKING:
    import torch

Sizes = dict[str, int]
"""Dimension name → size."""


class FixedSizeError(Exception):
    """Something in the graph holds a size that a file cannot leave open; the message names it."""


def example_sizes(signature: Signature, example: Sequence[torch.Tensor]) -> Sizes:
    """The size of each dynamic dimension in the example inputs."""
    return {
        name: value.shape[axis]
        for value, tensor in zip(example, signature.inputs, strict=True)
        for axis, name in enumerate(tensor.shape)
        if isinstance(name, str)
    }


def two_sizes(signature: Signature, example: Sequence[torch.Tensor]) -> tuple[Sizes, Sizes]:
    """Two sizes of every dynamic dimension within its bounds, above 1 where they allow it: 1 is broadcast."""
    first, second = {}, {}
    for name, size in example_sizes(signature, example).items():
        low, high = signature.dims[name]
        first[name] = min(max(size, 2), high)
        # far apart, so that striding does not round both to the same
        wanted = (2 * first[name], first[name] // 2, first[name] + 1, first[name] - 1)
        second[name] = next((other for other in wanted if max(low, 2) <= other <= high), max(low, 1))
    return first, second


def shapes(signature: Signature, sizes: Sizes) -> list[tuple[int, ...]]:
    """The inputs' shapes at these sizes."""
    return [tuple(sizes[s] if isinstance(s, str) else s for s in tensor.shape) for tensor in signature.inputs]


def resized(signature: Signature, example: Sequence[torch.Tensor], sizes: Sizes) -> dict[str, NDArray[Any]]:
    """The example inputs by name, repeated or cut to these sizes."""
    inputs = {}
    for value, tensor in zip(example, signature.inputs, strict=True):
        array = value.numpy()
        for axis, size in enumerate(tensor.shape):
            if isinstance(size, str):
                array = np.take(array, np.arange(sizes[size]) % array.shape[axis], axis=axis)
        inputs[tensor.name] = array
    return inputs


def set_default_sizes(model: Any, shapes: Sequence[tuple[int, ...]]) -> None:
    """Give the inputs, in place, the sizes they have where an app asks for no others."""
    graph = model.subgraphs[0]
    for index, shape in zip(graph.inputs, shapes, strict=True):
        graph.tensors[index].shape = list(shape)


def check_equal(expected: dict[str, NDArray[Any]], answered: dict[str, NDArray[Any]]) -> None:
    """FixedSizeError when the resized file answers something else than the file of that size, rounding aside."""
    for name, array in expected.items():
        wanted, got = array.astype(np.float64), answered[name].astype(np.float64)
        if wanted.shape != got.shape or np.linalg.norm(wanted - got) > 0.03 * np.linalg.norm(wanted):
            raise FixedSizeError(f"resized, it answers something else in {name} than a file of that size")


def open_sizes(model: Any, other: Any) -> None:
    """Leave open, in place, what differs between two models of one program; FixedSizeError where that cannot be."""
    if len(model.subgraphs) != len(other.subgraphs):
        raise FixedSizeError("the converter makes other graphs at another size")
    for graph, twin in zip(model.subgraphs, other.subgraphs, strict=True):
        if _skeleton(model, graph) != _skeleton(other, twin):
            raise FixedSizeError("the converter makes other operators at another size")
        differing = [
            index
            for index, (tensor, counterpart) in enumerate(zip(graph.tensors, twin.tensors, strict=True))
            if _data(model, tensor) != _data(other, counterpart)
        ]
        for operator in graph.operators:
            for position, index in enumerate(operator.inputs):
                if index in differing and not _can_open(model, graph, other, twin, operator, position):
                    path = (graph.tensors[operator.outputs[0]].name or b"").decode().split(";")[0] or "the model"
                    raise FixedSizeError(f"{operator_name(model, operator)} in {path} takes a constant of one size")
        for index in differing:
            _open_constant(model, graph.tensors[index], _data(other, twin.tensors[index]))
        for operator, counterpart in zip(graph.operators, twin.operators, strict=True):
            _open_options(model, operator, counterpart)
        for tensor, counterpart in zip(graph.tensors, twin.tensors, strict=True):
            _open_shape(tensor, counterpart)


def _skeleton(model: Any, graph: Any) -> list[Any]:
    """Everything about a graph but sizes and numbers."""
    return [
        [(dtype_name(t), 0 if t.shape is None else len(t.shape)) for t in graph.tensors],
        [(operator_name(model, o), list(o.inputs), list(o.outputs)) for o in graph.operators],
        [list(graph.inputs), list(graph.outputs)],
    ]


def _data(model: Any, tensor: Any) -> bytes:
    data = model.buffers[tensor.buffer].data
    return b"" if data is None else bytes(data)


def _can_open(model: Any, graph: Any, other: Any, twin: Any, operator: Any, position: int) -> bool:
    """Whether the operator reads -1 for the differing entries of this operand as what they are at any size."""
    name = operator_name(model, operator)
    if (name, position) not in (("RESHAPE", 1), ("SLICE", 2)):
        return False
    ours, theirs = _integers(model, graph, operator.inputs[position]), _integers(other, twin, operator.inputs[position])
    if ours.shape != theirs.shape:
        return False
    differs = ours != theirs
    if name == "RESHAPE":
        return int(differs.sum()) == 1
    # for a slice -1 means: up to the end
    start = _integers(model, graph, operator.inputs[1])
    ends = [
        start + sizes == np.array(side.tensors[operator.inputs[0]].shape)
        for side, sizes in ((graph, ours), (twin, theirs))
    ]
    return bool(np.all(ends[0][differs]) and np.all(ends[1][differs]))


def _integers(model: Any, graph: Any, index: int) -> NDArray[np.int32]:
    return np.frombuffer(_data(model, graph.tensors[index]), np.int32)


def _open_constant(model: Any, tensor: Any, other: bytes) -> None:
    ours, theirs = np.frombuffer(_data(model, tensor), np.int32), np.frombuffer(other, np.int32)
    # buffers may be shared by tensors that stay as they are
    model.buffers.append(type(model.buffers[0])())
    model.buffers[-1].data = np.where(ours == theirs, ours, -1).astype(np.int32).view(np.uint8)
    tensor.buffer = len(model.buffers) - 1


def _open_options(model: Any, operator: Any, counterpart: Any) -> None:
    ours, theirs = operator.builtinOptions, counterpart.builtinOptions
    if ours is None or repr(sorted(vars(ours).items())) == repr(sorted(vars(theirs).items())):
        return
    name = operator_name(model, operator)
    if name != "RESHAPE":
        raise FixedSizeError(f"the options of {name} are made for one size")
    ours.newShape = [int(a) if a == b else -1 for a, b in zip(ours.newShape, theirs.newShape, strict=True)]


def _open_shape(tensor: Any, counterpart: Any) -> None:
    if tensor.shape is None or list(tensor.shape) == list(counterpart.shape):
        return
    pairs = list(zip(tensor.shape, counterpart.shape, strict=True))
    tensor.shapeSignature = [int(size) if size == other else -1 for size, other in pairs]
    tensor.shape = [int(size) if size == other else 1 for size, other in pairs]

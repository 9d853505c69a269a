"""The constants of a .tflite file by what they are used for, read from its graphs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from edgeship.targets.litert.rewrites import dtype_name, operator_name
from edgeship.targets.litert.upstream import read_flatbuffer
from edgeship.toolchain.api import MOST_EPSILON, Affine, Array, Inventory, Weight

LAYERS = {
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D", "CONV_3D", "FULLY_CONNECTED"), (0, 1, 2)),
    **dict.fromkeys(("TRANSPOSE_CONV", "CONV_3D_TRANSPOSE"), (2, 1, 3)),
}
"""Operators with weights → the positions of their activation, weight and bias."""
GELU = {
    True: (0.5, 0.044715, math.sqrt(2 / math.pi)),
    False: (0.5, math.sqrt(0.5)),
}
"""What LiteRT's own operator computes with, approximate or not: a converter makes it of a program's steps."""


def constants(path: Path) -> Inventory:
    """Everything that the file stores."""
    return inventory(read_flatbuffer(path.read_bytes()))


def inventory(model: Any) -> Inventory:
    """The same of a model that was read."""
    found = Inventory()
    for graph in model.subgraphs:
        _Graph(model, graph).collect(found)
    return found


class _Graph:
    def __init__(self, model: Any, graph: Any) -> None:
        self.model, self.tensors = model, graph.tensors
        self.operators = [(operator_name(model, each), each) for each in graph.operators]
        self.arrays = {index: self._array(tensor) for index, tensor in enumerate(graph.tensors)}
        # a constant that is unpacked when the file is loaded, and what it is called then
        self.unpacked = {
            each.outputs[0]: each.inputs[0]
            for name, each in self.operators
            if name == "DEQUANTIZE" and self.arrays[each.inputs[0]] is not None
        }

    def collect(self, found: Inventory) -> None:
        """Weights with their biases, all other integers, the grids of activations, floats."""
        taken: set[int] = set()
        for name, operator in self.operators:
            if name in LAYERS:
                found.weights.extend(self._layer(name, operator, taken))
            elif name == "PADV2":
                taken.add(operator.inputs[2])  # of the border: the program has that as a plain number
            elif name == "GELU":
                place, factors = self._name(operator.outputs[0]), GELU[bool(operator.builtinOptions.approximate)]
                found.settings.extend((place, "factor", float(np.float32(each))) for each in factors)
            elif name in ("RSQRT", "SQRT") and 0 < (epsilon := self._added(operator.inputs[0])) < MOST_EPSILON:
                found.settings.append((self._name(operator.outputs[0]), "epsilon", epsilon))
        for index, tensor in enumerate(self.tensors):
            array, kind = self.arrays[index], dtype_name(tensor)
            if array is not None and array.dtype.kind == "f":
                found.floats.append(array)
            elif array is not None and kind in ("int8", "uint8", "int4") and index not in taken:
                found.weights.append(Weight(self._name(index), array, self._affine(index)))
            elif array is None and kind in ("int8", "uint8", "int16") and (grid := self._affine(index)) is not None:
                found.activations.append((self._name(index), grid))

    def _added(self, index: int) -> float:
        """The float number that was added last; 0 where none was."""
        sums = [each for name, each in self.operators if name == "ADD" and index in each.outputs]
        numbers = [self.arrays[each] for operator in sums for each in operator.inputs]
        return next(
            (float(each.flat[0]) for each in numbers if each is not None and each.size == 1 and each.dtype.kind == "f"),
            0.0,
        )

    def _layer(self, name: str, operator: Any, taken: set[int]) -> list[Weight]:
        source, weight, bias = (
            operator.inputs[position] if position < len(operator.inputs) else -1 for position in LAYERS[name]
        )
        weight, bias = (self.unpacked.get(index, index) for index in (weight, bias))
        values = self.arrays.get(weight)
        if values is None or values.dtype.kind not in "if":
            return []
        taken.add(weight)
        added, grid = self.arrays.get(bias), self._affine(bias)
        return [
            Weight(
                f"{name} {self._name(operator.outputs[0])}",
                values,
                self._affine(weight),
                added,
                grid.scale if grid is not None and added is not None else None,
                self._affine(source) if dtype_name(self.tensors[source]) in ("int8", "uint8") else None,
            )
        ]

    def _name(self, index: int) -> str:
        return (self.tensors[index].name or b"").decode()

    def _affine(self, index: int) -> Affine | None:
        given = self.tensors[index].quantization if index >= 0 else None
        if given is None or given.scale is None or not len(given.scale):
            return None
        zeros = 0 if given.zeroPoint is None or not len(given.zeroPoint) else given.zeroPoint
        return Affine.of(given.scale, zeros, dtype_name(self.tensors[index]) == "uint8")

    def _array(self, tensor: Any) -> Array | None:
        data = self.model.buffers[tensor.buffer].data
        if data is None or not len(data):
            return None
        content, kind = np.asarray(data, np.uint8), dtype_name(tensor)
        shape = [] if tensor.shape is None else list(tensor.shape)
        if kind == "int4":
            halves = np.stack([content << 4, content & 0xF0], 1).reshape(-1).view(np.int8) >> 4
            return halves[: int(np.prod(shape))].reshape(shape)
        try:
            return content.view(np.dtype(kind)).reshape(shape)
        except (TypeError, ValueError):  # strings, resources
            return None

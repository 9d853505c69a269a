"""The constants of an ONNX file by what they are used for, read from its graph."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeship.targets.onnx.graph import producer
from edgeship.toolchain.api import Affine, Inventory, Setting, Weight, convolution

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgeship.toolchain.api import Array

LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul", "MatMulInteger", "ConvInteger")
QUANTIZERS = ("QuantizeLinear", "DequantizeLinear")
_NO_WEIGHTS = ("DequantizeLinear", "Cast", "Clip", "Pad")
"""Integers that these take are told of elsewhere, or are a quantized bound or filling."""
_GATES = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2)}
"""Where torch's gates (input, forget, cell, output; reset, update, new) stand among those of a recurrent operator."""
_ZERO_POINTS = {"QuantizeLinear": (2,), "DequantizeLinear": (2,), "MatMulInteger": (2, 3), "ConvInteger": (2, 3)}


def constants(path: Path) -> Inventory:
    """Everything that is stored in the file and its external data."""
    import onnx_ir as ir

    return _Reader(ir.load(path)).inventory()


class _Reader:
    def __init__(self, model: ir.Model) -> None:
        self.nodes = list(model.graph.all_nodes())
        self._arrays: dict[int, Array | None] = {}

    def inventory(self) -> Inventory:
        weights: list[Weight] = []
        activations: list[tuple[str, Affine]] = []
        floats: dict[object, Array] = {}
        settings: list[tuple[str, Setting, float]] = []
        for node in self.nodes:
            standard = node.domain == ""
            if "epsilon" in node.attributes:
                settings.append((_place(node), "epsilon", node.attributes.get_float("epsilon", 0)))
            elif standard and node.op_type in ("Softmax", "LogSoftmax"):
                settings.append((_place(node), "softmax axis", node.attributes.get_int("axis", -1)))
            zero_points = _ZERO_POINTS.get(node.op_type, ()) if standard else ()
            for index, value in enumerate(node.inputs):
                array = self.array(value)
                if array is None or index in zero_points:
                    continue
                if array.dtype.kind == "f":
                    floats[id(value)] = array
                    if standard and node.op_type in _GATES:
                        gates = _gates_as_in_torch(array, _GATES[node.op_type], index)
                        floats |= {(id(value), number): each for number, each in enumerate(gates)}
                elif _is_integer(array) and not (standard and node.op_type in (*LAYERS, *_NO_WEIGHTS)):
                    weights.append(Weight(_place(node), array.astype(np.int8)))
            if standard and node.op_type in QUANTIZERS:
                self._quantizer(node, weights, activations)
            elif standard and node.op_type in LAYERS:
                weights += self._layer(node)
            elif standard and node.op_type == "Cast" and (stored := self._scaled(node)) is not None:
                weights.append(stored)
        return Inventory(weights, activations, list(floats.values()), settings)

    def array(self, value: ir.Value | None) -> Array | None:
        """The value where it is stored itself."""
        if value is None:
            return None
        if id(value) not in self._arrays:
            import onnx_ir as ir

            # one that is computed from constants is not stored
            stored = None if value.is_graph_input() else ir.convenience.get_const_tensor(value)
            array = None if stored is None else stored.numpy()
            self._arrays[id(value)] = None if array is None else array.astype(np.int8) if _is_int4(array) else array
        return self._arrays[id(value)]

    def signed(self, value: ir.Value | None) -> Array | None:
        """A weight that is stored itself, as signed integers where it is of integers."""
        array = self.array(value)
        return None if array is None else _signed(array)

    def _quantizer(self, node: ir.Node, weights: list[Weight], activations: list[tuple[str, Affine]]) -> None:
        affine = self.affine(node)
        stored = self.array(node.inputs[0])
        if stored is None:
            if affine is not None:
                activations.append((_place(node), affine))
        elif _is_integer(stored) and not any(user.op_type in LAYERS for user in node.outputs[0].consumers()):
            weights.append(Weight(_place(node), _signed(stored), affine))

    def affine(self, node: ir.Node) -> Affine | None:
        """Scale and zero point of a quantizer; None where they are chosen at run time."""
        scale = self.array(node.inputs[1])
        if scale is None:
            return None
        zero_point = self.array(node.inputs[2]) if len(node.inputs) > 2 else None
        stored = node.outputs[0] if node.op_type == "QuantizeLinear" else node.inputs[0]
        assert stored is not None
        unsigned = str(stored.dtype) == "UINT8" if zero_point is None else zero_point.dtype == np.uint8
        return Affine.of(scale, 0 if zero_point is None else zero_point, unsigned)

    def _layer(self, node: ir.Node) -> list[Weight]:
        """The constant operands of a layer, whichever side they stand on."""
        found = []
        for index in (0, 1):
            values, grid = self._operand(node.inputs[index])
            if values is None:
                continue
            bias, bias_scale = self._bias(node)
            if node.op_type.endswith("Integer"):
                grid, bias = self._after_sums(node)
            source = producer(node.inputs[1 - index], "DequantizeLinear")
            stored = self.affine(source) if source is not None else None
            found.append(Weight(_place(node), values, grid, bias, bias_scale, stored, _settings(node)))
        return found

    def _operand(self, value: ir.Value | None) -> tuple[Array | None, Affine | None]:
        while (moved := producer(value, "Transpose", "Reshape")) is not None:
            value = moved.inputs[0]
        if (dequantize := producer(value, "DequantizeLinear")) is not None:
            return self.signed(dequantize.inputs[0]), self.affine(dequantize)
        if (cast := producer(value, "Cast")) is not None and self.array(cast.inputs[0]) is not None:
            value = cast.inputs[0]
        return self.signed(value), None

    def _bias(self, node: ir.Node) -> tuple[Array | None, Array | None]:
        value = node.inputs[2] if len(node.inputs) > 2 and not node.op_type.endswith("Integer") else None
        if (dequantize := producer(value, "DequantizeLinear")) is not None:
            return self.array(dequantize.inputs[0]), self.array(dequantize.inputs[1])
        if (cast := producer(value, "Cast")) is not None:
            value = cast.inputs[0]
        return self.array(value), None

    def _after_sums(self, node: ir.Node) -> tuple[Affine | None, Array | None]:
        """Sums of products → Cast → Mul by (scale of the activation × scales of the weight) → Add of the bias."""
        value, scale = node.outputs[0], None
        for op_type in ("Cast", "Mul", "Add"):
            users = [user for user in value.consumers() if user.op_type == op_type]
            if not users:
                return (None if scale is None else Affine.of(scale)), None
            others = [each for each in users[0].inputs if each is not value]
            if op_type == "Mul" and (product := producer(others[0], "Mul")) is not None:
                scale = next((array for each in product.inputs if (array := self.array(each)) is not None), None)
            value = users[0].outputs[0]
        return (None if scale is None else Affine.of(scale)), self.array(others[0])

    def _scaled(self, cast: ir.Node) -> Weight | None:
        """Integers that are cast and multiplied by their scales when the file is loaded."""
        stored = self.array(cast.inputs[0])
        if stored is None or not _is_integer(stored):
            return None
        for user in cast.outputs[0].consumers():
            scale = next((array for each in user.inputs if (array := self.array(each)) is not None), None)
            if user.op_type == "Mul" and scale is not None:
                layers = [layer for layer in user.outputs[0].consumers() if layer.op_type in LAYERS]
                bias = self._bias(layers[0])[0] if layers else None
                return Weight(_place(layers[0] if layers else cast), stored, Affine.of(scale), bias)
        return Weight(_place(cast), stored)


def _settings(node: ir.Node) -> dict[str, tuple[int, ...]]:
    """Of a convolution that says its padding in numbers."""
    if node.op_type not in ("Conv", "ConvInteger") or node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET":
        return {}
    stride, padding, dilation = (node.attributes.get_ints(name, []) for name in ("strides", "pads", "dilations"))
    padded = producer(node.inputs[0], "Pad") is not None
    return convolution(stride, None if padded else padding, dilation, node.attributes.get_int("group", 1))


def _gates_as_in_torch(array: Array, order: tuple[int, ...], position: int) -> list[Array]:
    """The weights or biases of a recurrent layer as torch keeps them: for each direction its own, gates in its order.

    `array` is [directions, gates · hidden, inputs], or the biases of inputs and states one behind the other.
    """
    if position not in (1, 2, 3):
        return []
    sides = np.split(array, 2, axis=1) if position == 3 else [array]
    parts = [np.split(side[direction], len(order)) for side in sides for direction in range(len(array))]
    return [np.concatenate([part[gate] for gate in order]) for part in parts]


def _place(node: ir.Node) -> str:
    return f"{node.op_type} {node.name or node.outputs[0].name}"


def _is_integer(array: Array) -> bool:
    return array.dtype in (np.int8, np.uint8)


def _signed(array: Array) -> Array:
    """Unsigned bytes lowered by half their range, as Affine's zero points of them are."""
    return (array.astype(np.int16) - 128).astype(np.int8) if array.dtype == np.uint8 else array


def _is_int4(array: Array) -> bool:
    return str(array.dtype) in ("int4", "uint4")

"""The constants of an .mlpackage by what they are used for, read from its MIL program."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from edgeship.targets.coreml.upstream import Operation, Value, operations, read_program
from edgeship.toolchain.api import Affine, Array, Inventory, Weight, convolution

LAYERS = {"conv": ("weight",), "conv_transpose": ("weight",), "linear": ("weight",), "matmul": ("x", "y")}
"""Operators with weights → the inputs that may be one."""
PARAMETERS = ("scale", "zero_point")


def constants(path: Path) -> Inventory:
    """Everything that the package stores for `main`."""
    return _Reader([*operations(read_program(path).main)]).inventory()


class _Reader:
    def __init__(self, every: list[Operation]) -> None:
        self.operations = every
        self.made_by = {value.name: op for op in every for value in op.outputs}

    def inventory(self) -> Inventory:
        found = Inventory()
        for op in self.operations:
            if op.kind in ("quantize", "dequantize") and (grid := self._grid(op)) is not None:
                found.activations.append((op.name, grid))
            if "norm" in op.kind and (number := _number(op, "epsilon")) is not None:
                found.settings.append((op.name, "epsilon", number))
            elif op.kind == "softmax" and (number := _number(op, "axis")) is not None:
                found.settings.append((op.name, "softmax axis", number))
            for name, value in _named(op):
                array = _array(value)
                if array is None:
                    continue
                if name in LAYERS.get(op.kind, ()):
                    found.weights.append(self._layer(op, name, value))
                elif value.packed is not None:
                    found.weights.append(_weight(op.name, value))
                elif array.dtype.kind == "f":
                    found.floats.append(array)
                elif array.dtype in (np.int8, np.uint8) and name not in PARAMETERS:
                    grid = _affine(op, value.dtype) if op.kind == "dequantize" else None
                    found.weights.append(Weight(op.name, array, grid))
        found.floats.extend(weight.values for weight in found.weights if weight.values.dtype.kind == "f")
        return found

    def _grid(self, op: Operation) -> Affine | None:
        """Of an activation; None where a constant is dequantized."""
        value = op.inputs["input"]
        assert isinstance(value, Value)
        if value.constant is not None:
            return None
        return _affine(op, op.outputs[0].dtype if op.kind == "quantize" else value.dtype)

    def _layer(self, op: Operation, name: str, value: Value) -> Weight:
        bias, given = op.inputs.get("bias"), op.inputs["y" if name == "x" else "x"]
        assert isinstance(given, Value)
        source = self.made_by.get(given.name)
        stored = self._grid(source) if source is not None and source.kind == "dequantize" else None
        weight = _weight(op.name, value, _array(bias) if isinstance(bias, Value) else None, stored)
        return replace(weight, settings=_settings(op)) if op.kind == "conv" else weight


def _settings(op: Operation) -> dict[str, tuple[int, ...]]:
    told = {name: value.constant for name, value in op.inputs.items() if isinstance(value, Value)}
    numbers = {name: value.reshape(-1).tolist() for name, value in told.items() if isinstance(value, np.ndarray)}
    kind = told.get("pad_type", "valid")
    padding = numbers.get("pad", []) if kind == "custom" else [] if kind == "valid" else None
    stride, dilation, groups = (numbers.get(name, []) for name in ("strides", "dilations", "groups"))
    return convolution(stride, padding, dilation, groups[0] if groups else 1)


def _weight(place: str, value: Value, bias: Array | None = None, source: Affine | None = None) -> Weight:
    if value.packed is None:
        assert isinstance(value.constant, np.ndarray)
        return Weight(place, value.constant, None, bias, None, source)
    zeros = 0 if value.packed.zero_point is None else value.packed.zero_point.astype(np.int64)
    integers = value.packed.integers.astype(np.int8)
    return Weight(place, integers, Affine.of(value.packed.scale, zeros), bias, None, source)


def _affine(op: Operation, dtype: str) -> Affine | None:
    scale, zero_point = (op.inputs.get(name) for name in PARAMETERS)
    if not isinstance(scale, Value) or scale.constant is None:
        return None
    zeros = _array(zero_point) if isinstance(zero_point, Value) else None
    return Affine.of(scale.constant, 0 if zeros is None else zeros, dtype == "uint8")


def _number(op: Operation, name: str) -> float | None:
    value = op.inputs.get(name)
    array = _array(value) if isinstance(value, Value) else None
    return None if array is None else float(array)


def _named(op: Operation) -> list[tuple[str, Value]]:
    """Every constant that an operator takes."""
    every = [
        (name, each) for name, given in op.inputs.items() for each in (given if isinstance(given, list) else [given])
    ]
    return [(name, value) for name, value in every if value.constant is not None]


def _array(value: Value) -> Array | None:
    return value.constant if isinstance(value.constant, np.ndarray) else None

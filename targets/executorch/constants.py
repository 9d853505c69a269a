"""The constants of a .pte by what they are used for: those of XNNPACK's graphs, and those outside of delegates."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from edgeship.targets.executorch.flatbuffer import Table
from edgeship.targets.executorch.pte import XNNPACK, Place, delegate_data, named_data, read, segments_of
from edgeship.targets.executorch.schemas import FIELDS, SCALAR_TYPES, XNN_DATATYPES, XNN_FIELDS, XNN_NODES
from edgeship.toolchain.api import Affine, Array, Inventory, Setting, Weight

LAYERS = {
    "FullyConnected": XNN_FIELDS["XNNFullyConnected"],
    **dict.fromkeys(("Conv2d", "DepthwiseConv2d", "ConvTranspose2d"), XNN_FIELDS["_XNNNodeConv"]),
}
PER_CHANNEL, PER_TENSOR = 1, 2
INT, DOUBLE, TENSOR = 2, 4, 5
TOLD: dict[str, tuple[Setting, int]] = {
    "aten::native_layer_norm": ("epsilon", 4),
    "aten::native_group_norm": ("epsilon", 7),
    "aten::_native_batch_norm_legit_no_training": ("epsilon", 6),
    **{f"aten::{name}": ("softmax axis", 1) for name in ("_softmax", "_log_softmax")},
}
"""Kernels → what they are told, and where it stands among their arguments."""
QUANTIZERS = ("quantized_decomposed::quantize_per_tensor", "quantized_decomposed::dequantize_per_tensor")


def constants(path: Path) -> Inventory | None:
    """Everything that the file stores; None where a backend takes part whose data are not read here."""
    if read(path).unread:
        return None
    data = path.read_bytes()
    program = Table.root(data)
    segments = segments_of(data, program)
    plan = program.tables(FIELDS["Program"]["execution_plan"])[0]
    found = Inventory()
    for delegate in plan.tables(FIELDS["ExecutionPlan"]["delegates"]):
        if delegate.text(0) == XNNPACK:
            place = delegate_data(delegate, program, segments)
            _Graph(data, place[0], named_data(program, segments)).collect(found)
    _outside(data, program, plan, segments, found)
    return found


class _Graph:
    """One graph of XNNPACK."""

    def __init__(self, data: bytes, start: int, named: dict[str, Place]) -> None:
        flatbuffer, _, self.start = struct.unpack_from("<III", data, start + 10)
        self.data, self.named = data, named
        self.start += start
        self.graph = Table.root(data, start + flatbuffer)
        at = XNN_FIELDS["XNNGraph"]
        self.stored = self.graph.tables(at["constant_data"])
        self.arrays: dict[int, Array] = {}
        self.grids: dict[int, Affine] = {}
        for value in self.graph.tables(at["xvalues"]):
            self._value(value)

    def collect(self, found: Inventory) -> None:
        """Weights with their biases, the grids of activations, floats."""
        taken: set[int] = set()
        for node in self.graph.tables(XNN_FIELDS["XNNGraph"]["xnodes"]):
            kind, detail = XNN_NODES[node.scalar(0, "B") - 1][0], node.table(1)
            if kind in LAYERS and detail is not None:
                source, weight, bias = (detail.scalar(position, "I") for position in LAYERS[kind].values())
                if weight not in self.arrays:
                    continue
                taken |= {weight, bias}
                added, grid = self.arrays.get(bias), self.grids.get(bias)
                found.weights.append(
                    Weight(
                        f"XNNPACK {kind} {source}",
                        self.arrays[weight],
                        self.grids.get(weight),
                        added,
                        grid.scale if added is not None and grid is not None else None,
                        self.grids.get(source),
                    )
                )
        for number, array in self.arrays.items():
            if array.dtype.kind == "f":
                found.floats.append(array)
            elif number not in taken:
                found.weights.append(Weight(f"XNNPACK value {number}", array, self.grids.get(number)))
        for number, grid in self.grids.items():
            if number not in self.arrays:
                found.activations.append((f"XNNPACK value {number}", grid))

    def _value(self, value: Table) -> None:
        tensor = quantized = value.table(1)
        if tensor is not None and value.scalar(0, "B") == 2:
            tensor = tensor.table(XNN_FIELDS["XNNQuantizedTensorValue"]["tensor_value"])
        if tensor is None or quantized is None:
            return
        at = XNN_FIELDS["XNNTensorValue"]
        number, kind = tensor.scalar(at["id_out"], "I"), XNN_DATATYPES[tensor.scalar(at["datatype"], "h")]
        if index := tensor.scalar(at["constant_buffer_idx"], "I"):
            self.arrays[number] = self._array(index, kind, tensor.numbers(at["dims"], "I"))
        if value.scalar(0, "B") == 2 and (grid := self._grid(quantized, kind)) is not None:
            self.grids[number] = grid

    def _array(self, index: int, kind: str, shape: list[int]) -> Array:
        content, count = self._bytes(index), int(np.prod(shape))
        if kind == "int4":
            pairs = np.frombuffer(content, np.uint8)
            halves = np.stack([pairs & 0xF, pairs >> 4], 1).reshape(-1)[:count]
            return halves.astype(np.int8).reshape(shape) - 8
        return np.frombuffer(content, np.dtype(kind), count).reshape(shape)

    def _bytes(self, index: int) -> bytes:
        at = XNN_FIELDS["ConstantDataOffset"]
        key = self.stored[index].text(at["named_key"])
        offset, size = self.named.get(key, (self.start + self.stored[index].scalar(at["offset"], "Q"), 0))
        size = size or self.stored[index].scalar(at["size"], "Q")
        return self.data[offset : offset + size]

    def _grid(self, quantized: Table, kind: str) -> Affine | None:
        position = XNN_FIELDS["XNNQuantizedTensorValue"]["quant_params"]
        which, parameters = quantized.scalar(position - 1, "B"), quantized.table(position)
        if parameters is None or which not in (PER_CHANNEL, PER_TENSOR):
            return None  # chosen at run time
        if which == PER_TENSOR:
            at = XNN_FIELDS["PerTensorQuant"]
            scale = parameters.scalar(at["scale"], "f")
            return Affine.of(scale, parameters.scalar(at["zero_point"], "i"), kind == "uint8")
        at = XNN_FIELDS["PerChannelQuant"]
        if index := parameters.scalar(at["scale_buffer_idx"], "I"):
            return Affine.of(np.frombuffer(self._bytes(index), np.float32, parameters.scalar(at["num_scales"], "I")))
        return Affine.of(parameters.numbers(at["scale"], "f"))


def _outside(data: bytes, program: Table, plan: Table, segments: list[Place], found: Inventory) -> None:
    """Constants and grids of operators that no delegate takes."""
    values = plan.tables(FIELDS["ExecutionPlan"]["values"])
    place = program.table(FIELDS["Program"]["constant_segment"])
    offsets = place.numbers(1, "Q") if place is not None else []
    start = segments[place.scalar(0, "I")][0] if place is not None and segments else 0
    for number, value in enumerate(values):
        tensor = value.table(1) if value.scalar(0, "B") == TENSOR else None
        at = FIELDS["Tensor"]
        index = tensor.scalar(at["data_buffer_idx"], "I") if tensor else 0
        if tensor is None or not 0 < index < len(offsets) or tensor.table(at["allocation_info"]):
            continue
        kind, shape = SCALAR_TYPES.get(tensor.scalar(at["scalar_type"], "b"), ""), tensor.numbers(at["sizes"], "i")
        if kind in ("float32", "float16", "int8", "uint8"):
            array = np.frombuffer(data, np.dtype(kind), int(np.prod(shape)), start + offsets[index]).reshape(shape)
            if array.dtype.kind == "f":
                found.floats.append(array)
            else:
                found.weights.append(Weight(f"value {number}", array))
    operators = [operator.text(0) for operator in plan.tables(FIELDS["ExecutionPlan"]["operators"])]
    for chain in plan.tables(FIELDS["ExecutionPlan"]["chains"]):
        for instruction in chain.tables(FIELDS["Chain"]["instructions"]):
            call = instruction.table(FIELDS["Instruction"]["instr_args"])
            if instruction.scalar(0, "B") == 1 and call is not None:
                name, given = operators[call.scalar(0, "i")], call.numbers(1, "i")
                setting, position = TOLD.get(name, (None, 0))
                if setting and (told := _number(values[given[position]])) is not None:
                    found.settings.append((name, setting, told))
                if name in QUANTIZERS and (grid := _literal(values[given[1]], values[given[2]])) is not None:
                    found.activations.append((name.rpartition(":")[2], grid))


def _literal(scale: Table, zero_point: Table) -> Affine | None:
    """A grid that an operator is given as numbers; None where it is chosen at run time."""
    numbers = _number(scale), _number(zero_point)
    return None if None in numbers else Affine.of(*numbers)


def _number(value: Table) -> float | None:
    """What is stored in place of a tensor."""
    number, kind = value.table(1), value.scalar(0, "B")
    if number is None or kind not in (INT, DOUBLE):
        return None
    return number.scalar(0, "q" if kind == INT else "d")

"""What is really in a .pte: operators, delegates, constants and the dtypes it computes in; torch is not imported."""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from edgeship.targets.executorch.flatbuffer import Table
from edgeship.targets.executorch.schemas import FIELDS, SCALAR_TYPES, XNN_DATATYPES, XNN_FIELDS, XNN_NODES
from edgeship.toolchain.api import Computing, EdgeshipError

XNNPACK = "XnnpackBackend"
"""The one backend whose data are read."""
# nodes that only move or convert values: they say nothing about what the file computes in
XNN_MOVES = {
    "Convert", "StaticTranspose", "StaticReshape", "StaticConstantPad", "StaticSlice", "Copy",
    "Concatenate2", "Concatenate3", "Concatenate4", "Concatenate5",
}  # fmt: skip
KERNEL_MOVES = (
    "view", "permute", "transpose", "clone", "expand", "slice", "select", "cat", "copy", "unsqueeze", "squeeze",
    "quantize", "dequantize", "choose_qparams", "full", "embedding", "arange", "constant_pad", "index", "split",
    "unbind", "repeat", "stack", "t", "as_strided", "empty", "gather", "scalar_tensor", "alias",
)  # fmt: skip


Place = tuple[int, int]
"""Offset and size in the file."""


@dataclass(frozen=True)
class Constant:
    """A stored weight: where it is used, its dtype and bytes."""

    name: str
    dtype: str
    bytes: int


@dataclass
class Pte:
    """A parsed program: its first method."""

    inputs: list[tuple[str, list[int]]]
    """dtype and (upper bound of the) shape."""
    outputs: list[tuple[str, list[int]]]
    kernels: Counter[str] = field(default_factory=Counter)
    """Calls of operators outside any delegate, by name."""
    delegates: Counter[str] = field(default_factory=Counter)
    """Calls of each backend."""
    xnnpack: Counter[str] = field(default_factory=Counter)
    """Nodes inside XNNPACK's graphs, by kind."""
    computing: Computing = field(default_factory=Counter)
    """Operators that compute, with the dtype of their first input; moves and conversions are left out."""
    constants: list[Constant] = field(default_factory=list)
    planned_bytes: int = 0
    """Activation memory planned ahead, without what delegates take at load."""

    @property
    def unread(self) -> bool:
        """Whether backends take part whose data are not read here: what they compute in and store is unknown."""
        return any(backend != XNNPACK for backend in self.delegates)

    @cached_property
    def weight_bytes(self) -> dict[str, int]:
        """Bytes of constants per dtype."""
        total: Counter[str] = Counter()
        for constant in self.constants:
            total[constant.dtype] += constant.bytes
        return dict(sorted(total.items()))


def read(path: Path) -> Pte:
    """Parse a .pte; EdgeshipError when it is not one or is cut off."""
    data = path.read_bytes()
    if len(data) < 40 or data[4:6] != b"ET":
        raise EdgeshipError(f"{path}: is not an ExecuTorch program", "export it again")
    try:
        return _read(data)
    except (struct.error, IndexError, KeyError) as error:
        raise EdgeshipError(f"{path}: is a damaged ExecuTorch program ({error})", "export it again") from error


def segments_of(data: bytes, program: Table) -> list[Place]:
    """Where the segments of a program lie; IndexError when the file ends before them."""
    base = struct.unpack_from("<Q", data, 24)[0] if data[8:12] == b"eh00" else 0
    tables = program.tables(FIELDS["Program"]["segments"])
    segments = [(base + segment.scalar(0, "Q"), segment.scalar(1, "Q")) for segment in tables]
    for offset, size in segments:
        if offset + size > len(data):
            raise IndexError(f"a segment ends at {offset + size}, the file at {len(data)}")
    return segments


def named_data(program: Table, segments: list[Place]) -> dict[str, Place]:
    """The data that delegates ask for by name."""
    items = program.tables(FIELDS["Program"]["named_data"])
    return {item.text(0): segments[item.scalar(1, "I")] for item in items}


def _read(data: bytes) -> Pte:
    program = Table.root(data)
    segments = segments_of(data, program)
    at = FIELDS["Program"]
    plan = program.tables(at["execution_plan"])[0]
    fields = FIELDS["ExecutionPlan"]
    tensors = [_tensor(value) for value in plan.tables(fields["values"])]
    pte = Pte(
        inputs=[_dtype_shape(tensors[i]) for i in plan.numbers(fields["inputs"], "i")],
        outputs=[_dtype_shape(tensors[i]) for i in plan.numbers(fields["outputs"], "i")],
        planned_bytes=sum(plan.numbers(fields["non_const_buffer_sizes"], "q")),
    )
    operators = [operator.text(0) for operator in plan.tables(fields["operators"])]
    delegates = plan.tables(fields["delegates"])
    named = named_data(program, segments)

    users: dict[int, str] = {}
    for chain in plan.tables(fields["chains"]):
        for instruction in chain.tables(FIELDS["Chain"]["instructions"]):
            kind, call = instruction.scalar(0, "B"), instruction.table(FIELDS["Instruction"]["instr_args"])
            if kind == 1 and call:
                _kernel(call, operators, tensors, users, pte)
            elif kind == 2 and call:
                pte.delegates[delegates[call.scalar(0, "i")].text(0)] += 1
    for delegate in delegates:
        if delegate.text(0) == XNNPACK:
            blob = delegate_data(delegate, program, segments)
            _xnnpack(data, blob, named, pte)
    _constants(program, tensors, users, segments, pte)
    return pte


def _tensor(value: Table) -> Table | None:
    return value.table(1) if value.scalar(0, "B") == 5 else None


def _dtype(tensor: Table) -> str:
    return SCALAR_TYPES.get(tensor.scalar(FIELDS["Tensor"]["scalar_type"], "b"), "unknown")


def _dtype_shape(tensor: Table | None) -> tuple[str, list[int]]:
    return ("scalar", []) if tensor is None else (_dtype(tensor), tensor.numbers(FIELDS["Tensor"]["sizes"], "i"))


def _kernel(call: Table, operators: list[str], tensors: list[Table | None], users: dict[int, str], pte: Pte) -> None:
    name = operators[call.scalar(0, "i")]
    pte.kernels[name] += 1
    used = [tensors[i] for i in call.numbers(1, "i") if 0 <= i < len(tensors)]
    present = [tensor for tensor in used if tensor is not None]
    for tensor in present:
        users.setdefault(tensor.scalar(FIELDS["Tensor"]["data_buffer_idx"], "I"), name)
    short = name.split("::")[-1].removesuffix("_copy")
    if present and not any(short == move or short.startswith((f"{move}_", "_")) for move in KERNEL_MOVES):
        pte.computing[short, _dtype(present[0])] += 1


def delegate_data(delegate: Table, program: Table, segments: list[Place]) -> Place:
    """Where a backend's own data lie."""
    reference = delegate.table(1)
    if reference is None:
        return (0, 0)
    index = reference.scalar(1, "I")
    if reference.scalar(0, "b") == 1:
        return segments[index]
    return program.tables(FIELDS["Program"]["backend_delegate_data"])[index].bytes_at(0)


def _xnnpack(data: bytes, blob: tuple[int, int], named: dict[str, tuple[int, int]], pte: Pte) -> None:
    start, _ = blob
    if data[start + 4 : start + 8] != b"XH00":
        raise IndexError("a delegate's data is not an XNNPACK graph")
    graph = Table.root(data, start + struct.unpack_from("<I", data, start + 10)[0])
    at = XNN_FIELDS["XNNGraph"]
    constants = graph.tables(at["constant_data"])
    dtypes: dict[int, str] = {}
    stored: dict[int, Constant] = {}
    for value in graph.tables(at["xvalues"]):
        tensor = value.table(1)
        if tensor is not None and value.scalar(0, "B") == 2:
            tensor = tensor.table(0)
        if tensor is None:
            continue
        fields = XNN_FIELDS["XNNTensorValue"]
        number, dtype = tensor.scalar(fields["id_out"], "I"), XNN_DATATYPES[tensor.scalar(fields["datatype"], "h")]
        dtypes[number] = dtype
        index = tensor.scalar(fields["constant_buffer_idx"], "I")
        if index:
            key = constants[index].text(XNN_FIELDS["ConstantDataOffset"]["named_key"])
            size = named[key][1] if key in named else constants[index].scalar(1, "Q")
            stored[number] = Constant(f"xnnpack value {number} {tensor.numbers(fields['dims'], 'I')}", dtype, size)
    for node in graph.tables(at["xnodes"]):
        name, position = XNN_NODES[node.scalar(0, "B") - 1]
        pte.xnnpack[name] += 1
        detail = node.table(1)
        if detail is not None and name not in XNN_MOVES:
            pte.computing[name, dtypes[detail.scalar(position, "I")]] += 1
    pte.constants.extend(stored.values())


def _constants(
    program: Table, tensors: list[Table | None], users: dict[int, str], segments: list[tuple[int, int]], pte: Pte
) -> None:
    place = program.table(FIELDS["Program"]["constant_segment"])
    if place is None:
        return
    offsets = place.numbers(1, "Q")
    ends = [*offsets[1:], segments[place.scalar(0, "I")][1] if segments else 0]
    seen = set()
    for tensor in tensors:
        index = tensor.scalar(FIELDS["Tensor"]["data_buffer_idx"], "I") if tensor else 0
        if tensor is None or not index or index in seen or tensor.table(FIELDS["Tensor"]["allocation_info"]):
            continue
        seen.add(index)
        shape = tensor.numbers(FIELDS["Tensor"]["sizes"], "i")
        pte.constants.append(
            Constant(f"{users.get(index, 'constant')} {shape}", _dtype(tensor), ends[index] - offsets[index])
        )

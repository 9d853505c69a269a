"""Reading an .mlpackage back as a plain MIL program: the private parts of coremltools 9.0 that edgeship stands on."""

from __future__ import annotations

import functools
import operator
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeship.toolchain.errors import missing_extra

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram

Constant = NDArray[Any] | str
MIL_TO_NUMPY = {"fp16": "float16", "fp32": "float32"}
"""MIL's names of types where they differ from numpy's."""


@dataclass(frozen=True)
class Packed:
    """Integers as the file stores them, with what they stand for."""

    integers: NDArray[Any]
    scale: NDArray[Any]
    zero_point: NDArray[Any] | None


@dataclass(frozen=True)
class Value:
    """A named value of the program; `constant` holds its value where the file holds it (int4 as int8)."""

    name: str
    dtype: str
    constant: Constant | None = None
    packed: Packed | None = None
    """What `constant` is computed from when the file is loaded."""


@dataclass(frozen=True)
class Operation:
    """One computing operator; `inputs` maps MIL's input names to a value or a list of values."""

    kind: str
    name: str
    inputs: dict[str, Value | list[Value]]
    outputs: list[Value]
    blocks: list[Block]


@dataclass(frozen=True)
class Block:
    """A function body, a branch of `cond`, or the condition or body of `while_loop`."""

    inputs: list[Value]
    operations: list[Operation]
    outputs: list[Value]


@dataclass(frozen=True)
class MilProgram:
    """The `main` function of an ML program, and the constants stored for it as (name, dtype, bytes)."""

    main: Block
    stored: list[tuple[str, str, int]]


def operations(block: Block) -> Iterator[Operation]:
    """All operators of a block, those of inner blocks included."""
    for op in block.operations:
        yield op
        for inner in op.blocks:
            yield from operations(inner)


FRAMEWORKS = ("sklearn", "xgboost", "tensorflow", "torchvision", "torchaudio", "transformers", "executorch")
"""What coremltools probes for converters and tools that nobody uses here: nine tenths of the import."""
TORCH = ("torch",)
"""What its converter of torch programs imports: most of the rest."""


def coremltools() -> Any:
    """The package; MissingError with the install command where it is not installed."""
    return _imported(FRAMEWORKS)


def coremltools_to_read() -> Any:
    """The package without its converters: four of five seconds less, for a process that reads files and ends.

    Later `coremltools()` is the same package, which cannot convert. MissingError where it is not installed.
    """
    return _imported(FRAMEWORKS + TORCH)


def _imported(hidden: tuple[str, ...]) -> Any:
    hidden = tuple(name for name in hidden if name not in sys.modules)
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        import coremltools as package
    except ImportError as error:
        raise missing_extra("coreml", "coremltools") from error
    finally:
        for name in hidden:
            del sys.modules[name]
    return package


@functools.cache
def take_int4_groups() -> None:
    """Teach the converter `dequantize_per_channel_group`: int4 weights with one scale per group (iOS 18)."""
    coremltools()
    from coremltools.converters.mil import Builder
    from coremltools.converters.mil.frontend.torch import register_torch_op
    from coremltools.converters.mil.mil import types

    int4 = types.nptype_from_builtin(types.string_to_builtin("int4"))

    def dequantize_per_channel_group(context: Any, node: Any) -> None:
        data, scales, zero_points = (context[name].val for name in node.inputs[:3])
        if zero_points is not None and np.any(zero_points):
            raise NotImplementedError("int4 groups with zero points")
        context.add(Builder.constexpr_blockwise_shift_scale(data=data.astype(int4), scale=scales, name=node.name))

    alias = "quantized_decomposed::dequantize_per_channel_group"
    register_torch_op(torch_alias=[alias, alias.replace("::", ".")])(dequantize_per_channel_group)


def forget_symbols() -> None:
    """Drop the dynamic dimensions of a conversion before: one that fails leaves them, and their names are taken."""
    coremltools()
    from coremltools.converters.mil.converter import _reset_conversion_state

    _reset_conversion_state()


def lossy_operators(program: ExportedProgram) -> dict[Any, Any]:
    """Decompositions of the operators that the converter would take, but wrongly: it drops gelu's `approximate`."""
    import torch
    from torch._decomp import get_decompositions

    gelu = torch.ops.aten.gelu.default
    if any(node.target is gelu and node.kwargs.get("approximate", "none") != "none" for node in program.graph.nodes):
        return dict(get_decompositions([gelu]))
    return {}


def missing_operators() -> dict[Any, Any]:
    """Decompositions of the operators that the converter stops at: lerp by a number, a product along a dimension."""
    import torch

    aten = torch.ops.aten
    return {
        aten.lerp.Scalar: lambda start, end, weight: start + (end - start) * weight,
        aten.prod.dim_int: _product,
    }


def widen_bytes(program: ExportedProgram) -> None:
    """Let inputs of uint8, which the converter does not know, come as the int32 that Core ML stores."""
    import torch

    graph = program.graph
    for node in list(graph.nodes):
        value = node.meta.get("val")
        if node.op == "placeholder" and isinstance(value, torch.Tensor) and value.dtype == torch.uint8:
            node.meta["val"] = value.to(torch.int32)
        elif node.target is torch.ops.aten._assert_tensor_metadata.default:  # that it still is of that dtype
            graph.erase_node(node)


def _product(x: torch.Tensor, dim: int, keepdim: bool = False) -> torch.Tensor:
    product = functools.reduce(operator.mul, x.unbind(dim))
    return product.unsqueeze(dim) if keepdim else product


def read_spec(package: Path) -> Any:
    """The protobuf `Model` that an .mlpackage (or an .mlmodel) holds."""
    return coremltools().utils.load_spec(str(package))


def read_program(package: Path) -> MilProgram:
    """Read the ML program that an .mlpackage holds; weights that are stored compressed come decompressed."""
    model = coremltools().models.MLModel(str(package), skip_model_load=True)
    from coremltools.converters.mil.frontend.milproto.load import load

    spec = model.get_spec()
    program = load(spec, specification_version=spec.specificationVersion, file_weights_dir=model.weights_dir)
    stored: list[tuple[str, str, int]] = []
    main = program.functions["main"]
    return MilProgram(_block(main, list(main.inputs.values()), stored), stored)


def _block(block: Any, inputs: list[Any], stored: list[tuple[str, str, int]]) -> Block:
    operations = []
    constants: dict[Any, Constant] = {}
    packed: dict[Any, Packed] = {}

    def value(var: Any) -> Value:
        constant = constants.get(var)
        # defaults of inputs that the file leaves out have no operator
        if constant is None and (var.op is None or var.op.op_type == "const") and var.val is not None:
            constant = _plain(var.val)
        return Value(var.name, _dtype(var), constant, packed.get(var))

    for op in block.operations:
        if op.op_type == "const":
            data = _plain(op.outputs[0].val)
            if isinstance(data, np.ndarray):
                name = _dtype(op.outputs[0])
                bits = 4 if name in ("int4", "uint4") else 8 * data.dtype.itemsize
                stored.append((op.outputs[0].name, name, -(-data.size * bits // 8)))
            continue
        if op.op_type.startswith("constexpr_"):
            constants[op.outputs[0]] = _plain(op.materialized_val_inference())
            if op.inputs.get("scale") is not None:
                packed[op.outputs[0]] = _packed(op.inputs)
            continue
        given = {
            name: [value(v) for v in var] if isinstance(var, list | tuple) else value(var)
            for name, var in op.inputs.items()
            if var is not None and not name.startswith("_")
        }
        blocks = [_block(inner, list(inner.inputs), stored) for inner in op.blocks]
        operations.append(Operation(op.op_type, op.name, given, [value(v) for v in op.outputs], blocks))
    return Block([value(v) for v in inputs], operations, [value(v) for v in block.outputs])


def _packed(given: Any) -> Packed:
    """Of constexpr_affine_dequantize and constexpr_blockwise_shift_scale."""
    integers = given.get("quantized_data") or given["data"]
    zero_point = given.get("zero_point") or given.get("offset")
    return Packed(
        np.asarray(integers.val),
        np.asarray(given["scale"].val),
        None if zero_point is None else np.asarray(zero_point.val),
    )


def _dtype(var: Any) -> str:
    from coremltools.converters.mil.mil import types

    if types.is_list(var.sym_type) or types.is_tuple(var.sym_type):
        return "list"
    name = str(types.builtin_to_string(var.dtype))
    return MIL_TO_NUMPY.get(name, name)


def _plain(value: Any) -> Constant:
    return value if isinstance(value, str) else np.asarray(value)

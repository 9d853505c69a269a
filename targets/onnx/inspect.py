"""Reads an ONNX file without torch: inputs, operators, dtypes, sizes, and what ONNX Runtime makes of it."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeship.targets.onnx.constants import constants
from edgeship.targets.onnx.origins import modules
from edgeship.targets.onnx.runtime import onnxruntime
from edgeship.targets.onnx.saturation import session_options
from edgeship.toolchain.api import Computing, EdgeshipError, by_dtype, first_line

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["constants", "inspect_file", "modules"]

# operators that move or convert numbers, and those that only work on shapes: nothing is computed in them
# fmt: off
_MOVES = frozenset({
    "Cast", "CastLike", "Concat", "Constant", "ConstantOfShape", "DequantizeLinear", "DynamicQuantizeLinear",
    "Expand", "Flatten",
    "Gather", "GatherElements", "GatherND", "Identity", "If", "Loop", "Pad", "QuantizeLinear", "Range",
    "ReorderInput", "ReorderOutput", "Reshape", "Scan", "Shape", "Slice", "Split", "Squeeze", "Tile",
    "Transpose", "Unsqueeze", "Where",
})
# fmt: on
# what ONNX Runtime calls its integer kernels (com.microsoft and standard)
_INTEGER = ("QLinear", "QGemm", "QAttention", "MatMulInteger", "ConvInteger", "DynamicQuantizeMatMul", "QEmbed")


def exact_options(path: Path, model: ir.Model, library: Path | None = None) -> dict[str, Any]:
    """The session's options with which int8 products are exact; none where the file does not load with them."""
    exact = session_options(model)
    if exact:
        try:
            optimized(path, library, exact["config"])
        except EdgeshipError:  # seen in a file of ONNX Runtime's own quantizer
            return {}
    return exact


def optimized(path: Path, library: Path | None = None, config: Mapping[str, str] = MappingProxyType({})) -> ir.Model:
    """The graph as ONNX Runtime's CPU provider executes it; EdgeshipError when it cannot load the file."""
    import onnx_ir as ir

    runtime = onnxruntime()
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    # the kernels' own copies of the weights: nothing is computed here
    options.add_session_config_entry("session.disable_prepacking", "1")
    for key, value in config.items():
        options.add_session_config_entry(key, value)
    if library is not None:
        options.register_custom_ops_library(str(library))
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "optimized.onnx"
        options.optimized_model_filepath = str(written)
        # weights beside the graph: it may be larger than a protobuf can be
        options.add_session_config_entry(
            "session.optimized_model_external_initializers_file_name", f"{written.name}.data"
        )
        try:
            runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise EdgeshipError(
                f"ONNX Runtime cannot load {path.name}: {first_line(error)}",
                "if it needs a custom operator library, name it in the target's option custom_library",
            ) from error
        return ir.load(written)


def operators(model: ir.Model) -> dict[str, int]:
    """Operator → how often it occurs, branches and loops included; most frequent first."""
    counts = Counter(
        f"{node.domain}.{node.op_type}" if node.domain else node.op_type for node in model.graph.all_nodes()
    )
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def computing(model: ir.Model, executed: ir.Model) -> Computing:
    """Operators that compute, in the graph that ONNX Runtime executes; `model` knows most values' dtypes.

    Integer kernels count as int8; operators that only move or convert numbers do not count.
    """
    import onnx_ir as ir
    from onnx_ir.passes.common import ShapeInferencePass

    ShapeInferencePass()(model)  # what is shipped does not tell the types of inner values
    dtypes = {value.name: value.dtype for node in model.graph.all_nodes() for value in node.outputs}
    dtypes.update({value.name: value.dtype for value in model.graph.inputs})
    counts: Computing = Counter()
    for node in executed.graph.all_nodes():
        integer = node.op_type.startswith(_INTEGER)
        output = node.outputs[0]
        dtype = output.dtype or dtypes.get(output.name)
        if dtype is None:  # a value that ONNX Runtime made: its neighbours tell
            source = node.inputs[0] if node.inputs else None
            moved = None if source is None or node.op_type == "DequantizeLinear" else dtypes.get(source.name)
            dtype = ir.DataType.UINT8 if integer or node.op_type == "QuantizeLinear" else moved or ir.DataType.FLOAT
        dtypes[output.name] = dtype
        if node.op_type in _MOVES:
            continue
        if integer or dtype in (ir.DataType.INT8, ir.DataType.UINT8):
            counts[node.op_type, "int8"] += 1
        elif dtype.is_floating_point():
            counts[node.op_type, str(dtype.numpy())] += 1
    return counts


def weight_bytes(model: ir.Model) -> dict[str, int]:
    """Bytes of constants per dtype; int4 counts half a byte each."""
    counts: Counter[str] = Counter()
    for _, tensor in _constants(model):
        counts[_dtype_name(tensor.dtype)] += tensor.nbytes
    return dict(counts)


def _constants(model: ir.Model) -> list[tuple[str, ir.TensorProtocol]]:
    import onnx_ir as ir

    found = []
    graphs = {id(model.graph): model.graph}
    for node in model.graph.all_nodes():
        if node.graph is not None and isinstance(node.graph, ir.Graph):
            graphs[id(node.graph)] = node.graph
        if node.op_type == "Constant" and "value" in node.attributes:
            found.append((node.outputs[0].name or "", node.attributes["value"].as_tensor()))
    for graph in graphs.values():
        found += [(name, v.const_value) for name, v in graph.initializers.items() if v.const_value is not None]
    return found


def _dtype_name(dtype: ir.DataType) -> str:
    return str(np.dtype(dtype.numpy())) if dtype.bitwidth >= 8 else dtype.name.lower()


def _tensor(value: ir.Value) -> dict[str, Any]:
    shape = None if value.shape is None else [dim if isinstance(dim, int) else str(dim.value) for dim in value.shape]
    return {"name": value.name, "dtype": _dtype_name(value.dtype) if value.dtype else None, "shape": shape}


def inspect_file(path: Path, largest: int = 20) -> dict[str, Any]:
    """What an ONNX file holds: I/O, operators, dtypes, its largest constants in bytes, the runtime's kernels, and the
    files beside it that hold its weights.

    EdgeshipError when the file is not ONNX.
    """
    import onnx_ir as ir

    try:
        model = ir.load(path)
    except Exception as error:
        raise EdgeshipError(f"{path}: not a readable ONNX file ({error})", "export it again") from error
    sizes = sorted(((name, tensor.nbytes) for name, tensor in _constants(model)), key=lambda item: (-item[1], item[0]))
    found: dict[str, Any] = {
        "format": "onnx",
        "opset": dict(model.opset_imports),
        "producer": model.producer_name,
        "inputs": [_tensor(value) for value in model.graph.inputs],
        "outputs": [_tensor(value) for value in model.graph.outputs],
        "operators": operators(model),
        "weight_bytes": weight_bytes(model),
        "largest": [list(item) for item in sizes[:largest]],
        "extra_files": sorted({str(t.location) for _, t in _constants(model) if isinstance(t, ir.ExternalTensor)}),
    }
    try:
        executed = optimized(path)
    except (EdgeshipError, ImportError) as error:
        return {**found, "dtypes": None, "backends": {"onnxruntime": {"error": str(error)}}}
    dtypes = by_dtype(computing(model, executed))
    return {
        **found,
        "dtypes": dtypes,
        "runtime_options": exact_options(path, model) if dtypes.get("int8") else {},
        "backends": {"onnxruntime": {"CPUExecutionProvider": operators(executed)}},
    }

"""The private parts of litert-torch 0.10 and ai-edge-litert 2.3 that edgeship stands on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from edgeship.targets.litert import barriers
from edgeship.toolchain.artifact import Placement

if TYPE_CHECKING:
    from torch.export import ExportedProgram

_IDENTIFIER = b"TFL3"
_DELEGATE = "DELEGATE"


def convert(program: ExportedProgram, input_names: Sequence[str], strict: bool) -> bytes:
    """An exported program of fixed sizes as .tflite bytes; its outputs are output_0, output_1 … in the signature.

    `litert_torch.convert` takes a module and exports it again; the steps behind it take the program itself.
    The q/dq pairs of a PT2E program become integer arithmetic, and a quantized weight alone an integer constant and a
    DEQUANTIZE. `strict` leaves all else in float; otherwise the converter quantizes inputs, outputs and what stands
    between on its own: minus infinity, which hides attention's scores, as the lowest number of their grid.
    """
    import litert_torch
    from litert_converter.mlir import passmanager
    from litert_converter.mlir._mlir_libs import converter_api_ext as api
    from litert_torch import backend, fx_infra
    from litert_torch._convert import core
    from litert_torch.backend import export_utils, inline_consts, optimization_barrier

    litert_torch.config.show_progress = False
    fx_infra.graph_utils.reset_from_node_meta(program)
    program = fx_infra.safe_run_decompositions(program, fx_infra.decomp.pre_convert_decomp(), can_skip=False)
    program = core._run_convert_passes(program)
    barriers.keep_apart(program, optimization_barrier.optimization_barrier_op)
    context = export_utils.create_ir_context()
    constants = inline_consts.InlineConstsContext(enable_resource_constants=False)
    lowered = backend.export.exported_program_to_mlir(program, ir_context=context, lowering_context_plugins=[constants])
    outputs = [f"output_{index}" for index in range(len(lowered.output_signature))]
    api.set_signature(
        lowered.module.operation,
        signature_name="serving_default",
        input_names=list(input_names),
        output_names=outputs,
    )
    module = api.merge_modules([lowered.module])
    config = api.ConvertToTFLConfig()
    config.model_origin_framework = "PYTORCH"
    config.qdq_conversion_mode = "STATIC"
    config.strict_qdq_mode = strict
    config.canonicalizing_inf_as_min_max_float = False
    config.enable_x64 = False
    with context:
        api.run_convert_to_tfl_passes(module, passmanager.PassManager(), config)
    content: bytes = api.export_flatbuffer_to_bytes(module.operation)
    return content


def read_flatbuffer(content: bytes) -> Any:
    """A .tflite file as a mutable `schema_py_generated.ModelT`; ValueError when it is none."""
    from ai_edge_litert.tools import flatbuffer_utils

    if content[4:8] != _IDENTIFIER:
        raise ValueError("not a .tflite file: the identifier TFL3 is missing")
    return flatbuffer_utils.read_model_from_bytearray(content)


def write_flatbuffer(model: Any) -> memoryview:
    """A `ModelT` as the bytes of a .tflite, without the data of buffers that nothing refers to.

    They stay where they were built, in a space that need not grow: copies of them were what took the most memory.
    """
    import flatbuffers

    used = {entry.buffer for entry in model.metadata or []}
    for graph in model.subgraphs:
        ends = [*graph.inputs, *graph.outputs]
        read = {*ends, *(index for operator in graph.operators for index in (*operator.inputs, *operator.outputs))}
        used |= {tensor.buffer for index, tensor in enumerate(graph.tensors) if index in read}
    for index, buffer in enumerate(model.buffers):
        if index not in used:
            buffer.data = None
    stored = sum(len(buffer.data) for buffer in model.buffers if buffer.data is not None)
    builder = flatbuffers.Builder(min(stored + stored // 32 + (8 << 20), flatbuffers.Builder.MAX_BUFFER_SIZE))
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return memoryview(builder.Bytes)[builder.Head() :]


def schema() -> Any:
    """The generated classes of the TFLite schema."""
    from ai_edge_litert import schema_py_generated

    return schema_py_generated


@cache
def operator_names() -> dict[int, str]:
    """Builtin operator code → name (CONV_2D)."""
    return {code: name for name, code in vars(schema().BuiltinOperator).items() if isinstance(code, int)}


@cache
def tensor_type_names() -> dict[int, str]:
    """Tensor type code → dtype name as in numpy (float32), int4 and int2 included."""
    return {code: name.lower() for name, code in vars(schema().TensorType).items() if isinstance(code, int)}


def answers(content: memoryview, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """What a .tflite file with one signature answers to inputs by name, whose shapes it is resized to."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=bytes(content), num_threads=1)
    slots = interpreter.get_signature_runner().get_input_details()
    for name, array in inputs.items():
        interpreter.resize_tensor_input(slots[name]["index"], array.shape)
    interpreter.allocate_tensors()
    for name, array in inputs.items():
        interpreter.set_tensor(slots[name]["index"], array.astype(slots[name]["dtype"]))
    interpreter.invoke()
    given = interpreter.get_signature_runner().get_output_details()
    return {name: interpreter.get_tensor(details["index"]) for name, details in given.items()}


def placement(path: Path) -> Placement:
    """The nodes XNNPACK takes on this host when the interpreter loads the file with its defaults."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    nodes = interpreter._get_ops_details()
    delegates = [node for node in nodes if node["op_name"] == _DELEGATE]
    originals = {node["index"]: node for node in nodes if node["op_name"] != _DELEGATE}
    producer = {int(tensor): index for index, node in originals.items() for tensor in node["outputs"]}
    taken: set[int] = set()
    for delegate in delegates:
        # a partition is what lies between the delegate node's inputs and outputs
        borders = {int(tensor) for tensor in delegate["inputs"]}
        waiting = [int(tensor) for tensor in delegate["outputs"]]
        while waiting:
            tensor = waiting.pop()
            index = producer.get(tensor)
            if tensor in borders or index is None or index in taken:
                continue
            taken.add(index)
            waiting.extend(int(tensor) for tensor in originals[index]["inputs"])
    left = Counter(node["op_name"] for index, node in originals.items() if index not in taken)
    return Placement(
        per_backend={"xnnpack": len(taken)}, left=left.total(), partitions=len(delegates), left_ops=dict(left)
    )

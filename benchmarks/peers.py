"""What each runtime's own quantizer makes of a float model: `python -m benchmarks.peers KIND NETWORK FLOAT_FILE OUT`.

Called in a process of its own by artifact_latency. The options are the ones each tool's documentation gives for this
job, with weights per channel, as ours are; the calibration samples are the recipe's.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import compared
from edgeship.toolchain.api import Samples, Signature, Tensor
from edgeship.toolchain.recipe.plan import Model


def calibration(model: Model) -> Samples:
    """The samples that the recipe calibrates with."""
    from edgeship.calibration.selection import read_selected

    inputs = tuple(Tensor(name=i.name, dtype=i.dtype, shape=i.shape) for i in model.source.inputs)
    data = model.data["calibration"]
    chosen = data.selection
    return read_selected(data.dataset, Signature(inputs, ()), chosen.samples, chosen.select, chosen.seed)


def onnx_static(model: Model, base: Path, float_file: Path, out: Path) -> None:
    """ONNX Runtime's quantize_static: QDQ, uint8 activations (the fast ones on x86), int8 weights per channel."""
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self, samples: Samples) -> None:
            self.rows = iter([dict(zip(samples.inputs, samples.row(i), strict=True)) for i in range(len(samples))])

        def get_next(self) -> Any:
            return next(self.rows, None)

    prepared = out.with_name("prepared.onnx")
    try:
        quant_pre_process(str(float_file), str(prepared))
    except AssertionError:  # as in onnx_dynamic
        quant_pre_process(str(float_file), str(prepared), skip_symbolic_shape=True)
    quantization.quantize_static(
        str(prepared),
        str(out),
        Reader(calibration(model)),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
    )


def onnx_dynamic(model: Model, base: Path, float_file: Path, out: Path) -> None:
    """ONNX Runtime's quantize_dynamic: int8 weights per channel."""
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = out.with_name("prepared.onnx")
    # ONNX Runtime's symbolic shape inference stops at the encoder's shapes; the plain one is enough
    quant_pre_process(str(float_file), str(prepared), skip_symbolic_shape=True)
    quantization.quantize_dynamic(str(prepared), str(out), weight_type=quantization.QuantType.QInt8, per_channel=True)


def litert_static(model: Model, base: Path, float_file: Path, out: Path) -> None:
    """AI Edge Quantizer's static_wi8_ai8, with inputs and outputs of float as an application has them, and our files.

    By default it leaves their conversion to the application, outside of what is measured.
    """
    from ai_edge_quantizer import qtyping, quantizer, recipe

    tool = quantizer.Quantizer(str(float_file), recipe.static_wi8_ai8())
    for border in (qtyping.TFLOperationName.INPUT, qtyping.TFLOperationName.OUTPUT):
        tool.update_quantization_recipe(
            regex=".*", operation_name=border, algorithm_key=quantizer.AlgorithmName.NO_QUANTIZE
        )
    samples = calibration(model)
    calibrated = tool.calibrate({_signature(float_file): list(_rows(samples, float_file))}, num_threads=2)
    out.write_bytes(tool.quantize(calibrated).quantized_model)


def litert_dynamic(model: Model, base: Path, float_file: Path, out: Path) -> None:
    """AI Edge Quantizer's dynamic_wi8_afp32."""
    from ai_edge_quantizer import quantizer, recipe

    out.write_bytes(quantizer.Quantizer(str(float_file), recipe.dynamic_wi8_afp32()).quantize().quantized_model)


def _runner(float_file: Path) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(model_path=str(float_file))


def _signature(float_file: Path) -> str:
    return str(next(iter(_runner(float_file).get_signature_list())))


def _rows(samples: Samples, float_file: Path) -> Iterator[dict[str, Any]]:
    """Samples under the names, and in the dtypes, that the file's signature gives its inputs (tokens are int32)."""
    taken = _runner(float_file).get_signature_runner().get_input_details()
    for index in range(len(samples)):
        row = dict(zip(samples.inputs, samples.row(index), strict=True))
        named = row if set(taken) == set(row) else dict(zip(taken, row.values(), strict=True))
        yield {name: array.astype(taken[name]["dtype"]) for name, array in named.items()}


def executorch_static(model: Model, base: Path, float_file: Path, out: Path) -> None:
    """ExecuTorch's XNNPACKQuantizer as its documentation shows it; its histogram observers, weights per channel."""
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from executorch.exir import to_edge_transform_and_lower
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    from edgeship.toolchain.model.load import load

    samples = calibration(model)
    rows = [tuple(torch.from_numpy(array) for array in samples.row(i)) for i in range(len(samples))]
    module = load(model.source, base)
    quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
    prepared = prepare_pt2e(torch.export.export(module, rows[0]).module(), quantizer)
    with torch.no_grad():
        for row in rows:
            prepared(*row)
    program = torch.export.export(convert_pt2e(prepared), rows[0])
    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    out.write_bytes(lowered.to_executorch().buffer)


KINDS = {
    "onnx-static": onnx_static,
    "onnx-dynamic": onnx_dynamic,
    "litert-static": litert_static,
    "litert-dynamic": litert_dynamic,
    "executorch-static": executorch_static,
}
SUFFIXES = {"onnx": ".onnx", "litert": ".tflite", "executorch": ".pte"}
TOOLS = {
    "onnx-static": "ONNX Runtime quantize_static",
    "onnx-dynamic": "ONNX Runtime quantize_dynamic",
    "litert-static": "AI Edge Quantizer static_wi8_ai8, float I/O",
    "litert-dynamic": "AI Edge Quantizer dynamic_wi8_afp32",
    "executorch-static": "XNNPACKQuantizer",
}

if __name__ == "__main__":
    kind, network, float_path, out_path = sys.argv[1:]
    read = compared.recipe(network)
    KINDS[kind](read.models[0], read.base, Path(float_path), Path(out_path))

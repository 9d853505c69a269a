"""ONNX rewrites of clips, padding and layers without integer kernels: the same answers from faster kernels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from onnxruntime import InferenceSession

from edgeship.targets.onnx.constants import constants
from edgeship.targets.onnx.inspect import operators, optimized
from edgeship.targets.onnx.rewrites import rewrite
from edgeship.toolchain.api import W8A8_STATIC
from tests.unit.test_onnx_rewrites import IMAGE, RANDOM, STEP, Graph, run

pytestmark = pytest.mark.heavy

FLOAT = {"Conv", "com.microsoft.FusedConv", "Relu", "Clip", "Pad"}
INTEGER = "com.microsoft.QLinearConv"


def executed(model: ir.Model, activations: str, folder: Path) -> tuple[float, dict[str, int], dict[str, int]]:
    """Largest change of the answers with every operator run as written, rewrites that applied, kernels that run."""
    before = run(model, IMAGE)
    assert np.abs(before).max() > 0.1
    applied = rewrite(model, W8A8_STATIC, activations)
    ir.save(model, folder / "model.onnx")
    return float(np.abs(run(model, IMAGE) - before).max()), applied, operators(optimized(folder / "model.onnx"))


@pytest.mark.parametrize("bounds", [(0.0, np.inf), (0.0, 1.0), (-0.3, 0.7)])
@pytest.mark.parametrize("activations", ["uint8", "int8"])
def test_a_clip_that_the_range_does_not_imply_works_on_integers(bounds: Any, activations: str, tmp_path: Path) -> None:
    g = Graph(2, 4, 8, 8)
    convolved = g.node("Conv", g.pair(g.x), g.weight(5, 4, 3, 3))
    low, high = (g.constant(np.float32(bound)) for bound in bounds)
    clipped = g.node("Relu", convolved) if np.isinf(bounds[1]) else g.node("Clip", convolved, low, high)
    change, applied, kernels = executed(g.model(g.pair(clipped)), activations, tmp_path)
    assert change == 0
    assert applied["clip_integers"] == 1
    assert [weight.values.shape for weight in constants(tmp_path / "model.onnx").weights] == [(5, 4, 3, 3)]
    if activations == "uint8":
        assert (kernels[INTEGER], kernels["Clip"]) == (1, 1)
        assert not FLOAT - {"Clip"} & kernels.keys()


def test_a_relu_whose_input_is_read_elsewhere_stays(tmp_path: Path) -> None:
    g = Graph(2, 4, 8, 8)
    convolved = g.node("Conv", g.pair(g.x), g.weight(4, 4, 1, 1))
    model = g.model(g.node("Add", g.pair(g.node("Relu", convolved)), convolved))
    change, applied, _ = executed(model, "uint8", tmp_path)
    assert (change, applied.get("clip_integers")) == (0, None)


def test_windows_that_leave_the_image_are_divided_by_what_is_in_it(tmp_path: Path) -> None:
    g = Graph(2, 4, 8, 8)
    options = {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1, "count_include_pad": 1}
    model = g.model(g.pair(g.node("AveragePool", g.pair(g.x), **options)))
    change, applied, kernels = executed(model, "uint8", tmp_path)
    assert (change, applied["count_valid_elements"], kernels["com.microsoft.QLinearAveragePool"]) == (0, 1, 1)
    session = InferenceSession(tmp_path / "model.onnx")
    answered = session.run(None, {session.get_inputs()[0].name: IMAGE})[0]
    assert np.abs(answered - run(model, IMAGE)).max() <= 1.01 * STEP


def test_a_convolution_pads_by_itself(tmp_path: Path) -> None:
    g = Graph(2, 4, 8, 8)
    padded = g.node("Pad", g.pair(g.x), g.constant(np.array([0, 0, 2, 0, 0, 0, 1, 3])))
    model = g.model(g.pair(g.node("Conv", g.pair(padded), g.weight(5, 4, 3, 3), pads=[0, 1, 0, 0])))
    change, applied, kernels = executed(model, "uint8", tmp_path)
    assert change == 0
    assert applied["pad_in_convolutions"] == applied["drop_repeated_pairs"] == 1
    assert kernels == {INTEGER: 1, "Transpose": 2, "QuantizeLinear": 1, "DequantizeLinear": 1}


@pytest.mark.parametrize(
    ("widths", "options"),
    [
        ([0, 0, -1, 0, 0, 0, 1, 1], {}),  # cuts
        ([0, 1, 1, 1, 0, 0, 1, 1], {}),  # adds channels
        ([0, 0, 1, 1, 0, 0, 1, 1], {"mode": "reflect"}),
        ([0, 0, 1, 1, 0, 0, 1, 1], {"value": 0.35}),
    ],
)
def test_padding_that_no_convolution_does_works_on_integers(widths: Any, options: Any, tmp_path: Path) -> None:
    g = Graph(2, 4, 8, 8)
    value = [g.constant(np.float32(options.pop("value")))] if "value" in options else []
    padded = g.node("Pad", g.pair(g.x), g.constant(np.array(widths)), *value, **options)
    model = g.model(g.pair(g.node("Conv", g.pair(padded), g.weight(5, 4 + sum(widths[1::4]), 3, 3))))
    change, applied, kernels = executed(model, "uint8", tmp_path)
    assert change == 0
    assert applied["pad_integers"] == 1
    assert len(constants(tmp_path / "model.onnx").weights) == 1
    assert "pad_in_convolutions" not in applied
    assert kernels["Pad"] == kernels["QuantizeLinear"] == kernels["DequantizeLinear"] == 1


def test_a_quantized_mean_without_height_and_width_is_pooled_in_integers(tmp_path: Path) -> None:
    g = Graph(2, 4, 8, 8)
    convolved = g.pair(g.node("Conv", g.pair(g.x), g.weight(5, 4, 3, 3)))
    model = g.model(g.pair(g.node("ReduceMean", convolved, g.constant(np.array([2, 3])), keepdims=0), scale=0.01))
    change, applied, kernels = executed(model, "uint8", tmp_path)
    assert change <= 0.0101
    assert applied["pool_spatial_means"] == 1
    assert kernels["com.microsoft.QLinearGlobalAveragePool"] == 1
    assert kernels["QuantizeLinear"] == kernels["DequantizeLinear"] == 1


def test_a_transposed_convolution_reads_weights_that_are_dequantized_once(tmp_path: Path) -> None:
    g = Graph(2, 4, 8, 8)
    integers = RANDOM.integers(-127, 128, (4, 6, 2, 2)).astype(np.int8)
    scales = (RANDOM.random(6) * 0.01 + 0.001).astype(np.float32)
    weight = g.node("DequantizeLinear", *map(g.constant, (integers, scales, np.zeros(6, np.int8))), axis=1)
    bias = g.constant(RANDOM.normal(size=6).astype(np.float32))
    before = g.pair(g.node("Conv", g.pair(g.x), g.weight(4, 4, 3, 3)))
    model = g.model(g.pair(g.node("ConvTranspose", before, weight, bias, strides=[2, 2])))
    change, applied, kernels = executed(model, "uint8", tmp_path)
    assert change <= STEP * 1.01  # one rounding may fall to the other side
    assert applied["dequantize_weights_at_load"] == applied["keep_float_layers"] == 1
    assert "quantize_biases" not in applied
    assert kernels["ConvTranspose"] == kernels[INTEGER] == 1
    assert kernels["DequantizeLinear"] == 2  # before the layer and at the end
    stored = [value.dtype for value in model.graph.initializers.values() if value.shape == ir.Shape([4, 6, 2, 2])]
    assert stored == [ir.DataType.INT8]


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("alone", [True, False])
def test_a_3d_convolution_computes_in_float_beside_integer_layers(channels: int, alone: bool, tmp_path: Path) -> None:
    g = Graph(2, 4, 8, 8)
    before = g.x if alone else g.node("Conv", g.pair(g.x), g.weight(4, 4, 1, 1))
    volume = g.pair(g.node("Reshape", before, g.constant(np.array([2, channels, 4 // channels, 8, 8]))))
    model = g.model(g.pair(g.node("Conv", volume, g.weight(5, channels, 1, 3, 3))))
    change, applied, kernels = executed(model, "uint8", tmp_path)
    assert change <= STEP * 1.01
    assert kernels.get("Conv") == (None if alone else 1)
    assert applied.get("dequantize_weights_at_load") == applied.get("keep_float_layers") == (None if alone else 1)

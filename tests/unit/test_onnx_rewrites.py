"""Each ONNX rewrite leaves the graph's answers as they were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
from onnx_ir.passes.common import RemoveUnusedNodesPass, ShapeInferencePass

from edgeship.targets.onnx import static_int8
from edgeship.targets.onnx.inspect import operators
from edgeship.targets.onnx.saturation import EXACT_PRODUCTS

pytestmark = pytest.mark.heavy

STEP = 0.05
RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.normal(size=(2, 4, 8, 8)).astype(np.float32)


class Graph:
    """A graph built line by line; every method answers the new value."""

    def __init__(self, *shape: int | str) -> None:
        self.x = ir.val("x", ir.DataType.FLOAT, shape)
        self.graph = ir.Graph([self.x], [], nodes=[], opset_imports={"": 21}, name="test")

    def constant(self, array: Any) -> ir.Value:
        name = f"c{len(self.graph.initializers)}"
        tensor = ir.tensor(np.asarray(array), name=name)
        value = ir.val(name, tensor.dtype, tensor.shape, const_value=tensor)
        self.graph.register_initializer(value)
        return value

    def node(self, op_type: str, *inputs: ir.Value | None, **attributes: Any) -> ir.Value:
        node = ir.node(op_type, inputs, attributes)
        node.outputs[0].name = f"v{len(self.graph)}"
        self.graph.append(node)
        return node.outputs[0]

    def pair(self, value: ir.Value, scale: float = STEP, zero: int = -10) -> ir.Value:
        scales, zeros = self.constant(np.float32(scale)), self.constant(np.int8(zero))
        return self.node("DequantizeLinear", self.node("QuantizeLinear", value, scales, zeros), scales, zeros)

    def weight(self, *shape: int) -> ir.Value:
        integers = RANDOM.integers(-127, 128, shape).astype(np.int8)
        scales = (RANDOM.random(shape[0]) * 0.01 + 0.001).astype(np.float32)
        zeros = np.zeros(shape[0], np.int8)
        return self.node("DequantizeLinear", *map(self.constant, (integers, scales, zeros)), axis=0)

    def model(self, output: ir.Value) -> ir.Model:
        output.type = ir.TensorType(ir.DataType.FLOAT)
        self.graph.outputs.append(output)
        model = ir.Model(self.graph, ir_version=10)
        ShapeInferencePass()(model)
        return model


def run(model: ir.Model, x: np.ndarray, level: str = "ORT_DISABLE_ALL") -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    for key, value in EXACT_PRODUCTS.items():
        options.add_session_config_entry(key, value)
    session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString(), options)
    return session.run(None, {"x": x})[0]


def rewritten(model: ir.Model, rewrite: Callable[[ir.Model], int], x: np.ndarray) -> tuple[int, float, dict[str, int]]:
    """How often it applied, the largest change of the output, and the operators afterwards."""
    before = run(model, x)
    assert np.abs(before).max() > 0.1
    count = rewrite(model)
    RemoveUnusedNodesPass()(model)
    after = run(model, x)
    assert after.shape == before.shape
    return count, float(np.abs(after - before).max()), operators(model)


def test_a_repeated_pair_is_dropped_and_a_requantization_stays() -> None:
    g = Graph(2, 4, 8, 8)
    model = g.model(g.pair(g.pair(g.pair(g.x)), scale=0.07))
    count, change, found = rewritten(model, static_int8.drop_repeated_pairs, IMAGE)
    assert (count, change, found["QuantizeLinear"]) == (1, 0.0, 2)


@pytest.mark.parametrize(
    ("low", "high", "scale", "zero", "dropped"),
    [
        (0.0, 6.0, 6 / 255, -128, True),
        (0.0, 6.0, 3 / 255, -128, True),  # the range ends below the bound
        (0.0, 1.0, 6 / 255, -128, False),  # the range goes past the bound
        (0.0, 6.0, 6 / 255, -120, False),  # numbers below zero could be stored
    ],
)
def test_a_clip_is_dropped_exactly_where_the_range_implies_it(
    low: float, high: float, scale: float, zero: int, dropped: bool
) -> None:
    g = Graph(2, 4, 8, 8)
    clip = g.node("Clip", g.x, g.constant(np.float32(low)), g.constant(np.float32(high)))
    model = g.model(g.pair(clip, scale, zero))
    count, change, found = rewritten(model, static_int8.drop_implied_clips, IMAGE * 4)
    assert (bool(count), change, "Clip" not in found) == (dropped, 0.0, dropped)


def test_a_relu_whose_value_is_also_used_as_float_stays() -> None:
    g = Graph(2, 4, 8, 8)
    relu = g.node("Relu", g.x)
    model = g.model(g.node("Add", g.pair(relu, zero=-128), relu))
    assert rewritten(model, static_int8.drop_implied_clips, IMAGE)[0] == 0


@pytest.mark.parametrize("keepdims", [0, 1])
def test_a_mean_over_height_and_width_becomes_a_pool(keepdims: int) -> None:
    g = Graph("n", 4, 8, 8)
    model = g.model(g.node("ReduceMean", g.x, g.constant(np.array([-1, -2])), keepdims=keepdims))
    count, change, found = rewritten(model, static_int8.pool_spatial_means, IMAGE)
    assert count == 1
    assert change < 1e-6
    assert "ReduceMean" not in found


def test_a_mean_over_a_line_becomes_a_pool_of_integers_and_one_over_features_stays() -> None:
    for quantized in (True, False):
        g = Graph(2, 4, 8)
        value = g.pair(g.x) if quantized else g.x
        model = g.model(g.pair(g.node("ReduceMean", value, g.constant(np.array([-1])), keepdims=0)))
        count, change, found = rewritten(model, static_int8.pool_spatial_means, IMAGE[:, :, 0])
        assert count == quantized
        assert change <= (1.01 * STEP if quantized else 0)
        assert ("GlobalAveragePool" in found) == quantized


def test_a_mean_over_channels_stays() -> None:
    g = Graph(2, 4, 8, 8)
    model = g.model(g.node("ReduceMean", g.x, g.constant(np.array([1, 2]))))
    assert static_int8.pool_spatial_means(model) == 0


def test_a_bias_becomes_int32_within_half_a_step() -> None:
    g = Graph(2, 4, 8, 8)
    bias = g.constant(RANDOM.normal(size=5).astype(np.float32))
    model = g.model(g.node("Conv", g.pair(g.x), g.weight(5, 4, 3, 3), bias))
    count, change, _ = rewritten(model, static_int8.quantize_biases, IMAGE)
    assert count == 1
    assert change < STEP * 0.011  # half of scale(input) * the largest scale(weight), and float rounding
    assert any(v.dtype == ir.DataType.INT32 for v in model.graph.initializers.values())


def test_a_bias_too_large_for_int32_stays_float() -> None:
    g = Graph(2, 4, 8, 8)
    bias = g.constant(np.full(5, 1e9, np.float32))
    model = g.model(g.node("Conv", g.pair(g.x, scale=1e-4), g.weight(5, 4, 3, 3), bias))
    assert static_int8.quantize_biases(model) == 0


def test_uint8_activations_are_the_same_values() -> None:
    g = Graph(2, 4, 8, 8)
    model = g.model(g.pair(g.node("Conv", g.pair(g.x), g.weight(5, 4, 3, 3)), 0.1))
    count, change, _ = rewritten(model, static_int8.activations_to_uint8, IMAGE)
    assert (count, change) == (2, 0.0)
    assert not any(v.dtype == ir.DataType.INT8 for n in model.graph if n.op_type == "QuantizeLinear" for v in n.outputs)


def test_after_all_rewrites_onnx_runtime_convolves_in_integers(tmp_path: Any) -> None:
    from edgeship.targets.onnx.inspect import optimized
    from edgeship.targets.onnx.rewrites import rewrite
    from edgeship.toolchain.api import W8A8_STATIC

    g = Graph(2, 4, 8, 8)
    bias = g.constant(RANDOM.normal(size=5).astype(np.float32))
    relu = g.node("Relu", g.node("Conv", g.pair(g.x), g.weight(5, 4, 3, 3), bias))
    mean = g.node("ReduceMean", g.pair(relu, zero=-128), g.constant(np.array([2, 3])), keepdims=1)
    model = g.model(g.pair(mean, zero=-128))
    before = run(model, IMAGE)
    assert len(rewrite(model, W8A8_STATIC, "uint8")) == 4
    ir.save(model, tmp_path / "m.onnx")
    kernels = operators(optimized(tmp_path / "m.onnx"))
    assert {"com.microsoft.QLinearConv", "com.microsoft.QLinearGlobalAveragePool"} <= kernels.keys()
    assert np.abs(run(model, IMAGE, "ORT_ENABLE_ALL") - before).max() <= STEP * 1.01

"""Compact ONNX files: the same answers and kernels in fewer bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from onnx_ir.passes.common import ShapeInferencePass

from edgeship.targets.onnx.compact import compact
from edgeship.targets.onnx.constants import _Reader
from edgeship.targets.onnx.graph import by_type, constant
from edgeship.targets.onnx.inspect import computing, operators, optimized
from edgeship.targets.onnx.runtime import onnxruntime
from edgeship.targets.onnx.saturation import EXACT_PRODUCTS, session_options
from edgeship.targets.onnx.static_int8 import activations_to_uint8, quantize_biases
from tests.unit.test_onnx_rewrites import IMAGE, RANDOM, Graph, run

pytestmark = pytest.mark.heavy

SCALES = np.full(4, 0.01, np.float32)


def layers(*shape: int | str) -> ir.Model:
    """Two convolutions and a pool that have equal scales, zero points and biases."""
    g = Graph(*shape)
    value = g.pair(g.x)
    for _ in range(2):
        value = g.pair(g.node("Conv", value, g.weight(4, 4, 3, 3), g.constant(np.full(4, 0.1, np.float32))))
    value = g.pair(g.node("MaxPool", value, kernel_shape=[2, 2]))
    model = g.model(value)
    quantize_biases(model)
    activations_to_uint8(model)
    ShapeInferencePass()(model)
    return model


def test_the_same_kernels_give_the_same_answers_in_fewer_bytes(tmp_path: Path) -> None:
    model = layers(2, 4, 8, 8)
    before, large = run(model, IMAGE, "ORT_ENABLE_ALL"), tmp_path / "large.onnx"
    ir.save(model, large)
    compact(model)
    small = tmp_path / "small.onnx"
    ir.save(model, small)
    np.testing.assert_array_equal(run(model, IMAGE, "ORT_ENABLE_ALL"), before)
    assert operators(optimized(small)) == operators(optimized(large))
    assert small.stat().st_size < 0.6 * large.stat().st_size


def test_equal_zero_points_are_stored_once_but_each_weight_has_its_own() -> None:
    """ONNX Runtime makes unsigned weights where products would saturate: no file loads where two of them read one zero
    point, and before 1.30 it aborts where one has none.
    """
    g = Graph(2, 4, 8, 8)
    value = g.pair(g.x)
    for _ in range(2):
        value = g.pair(g.node("Conv", value, g.weight(4, 4, 1, 1)))
    value = g.pair(g.node("Flatten", g.pair(g.node("GlobalAveragePool", value))))
    for _ in range(2):
        value = g.pair(g.node("Gemm", value, g.weight(4, 4), transB=1))
    model = g.model(value)
    activations_to_uint8(model)
    before = run(model, IMAGE, "ORT_ENABLE_ALL")
    compact(model)
    np.testing.assert_array_equal(run(model, IMAGE, "ORT_ENABLE_ALL"), before)
    of_weights = [node for node in by_type(model, "DequantizeLinear") if node.inputs[0].const_value is not None]
    own = [node.inputs[2] for node in of_weights if len(node.inputs) == 3]
    assert (len(of_weights), len(own), len(set(own))) == (4, 4, 4)
    assert session_options(model) == {"config": EXACT_PRODUCTS}


def test_a_weight_that_layers_share_is_stored_unsigned_where_they_multiply_unsigned_activations() -> None:
    """By two readers, and by one reader of two layers, as in a cell that is called again and again."""
    g = Graph(2, 4)
    stored = [g.constant(RANDOM.integers(-127, 128, (4, 4)).astype(np.int8)) for _ in range(2)]
    scales = g.constant(np.full(4, 0.01, np.float32))
    one, two, again = (g.node("DequantizeLinear", each, scales, axis=0) for each in (*stored, stored[1]))
    value = g.pair(g.x)
    for read in (one, one, two, again):
        value = g.pair(g.node("Gemm", value, read, transB=1))
    value = g.pair(g.node("Gemm", value, g.weight(4, 4), transB=1))
    model = g.model(value)
    before = run(model, IMAGE[:, :, 0, 0])
    compact(model)
    assert dtypes_of_weights(model) == ["int8"] * 4
    assert session_options(model) == {}

    activations_to_uint8(model)
    compact(model)
    assert dtypes_of_weights(model) == ["uint8", "uint8", "uint8", "int8"]
    np.testing.assert_array_equal(run(model, IMAGE[:, :, 0, 0]), before)
    assert session_options(model) == {"config": EXACT_PRODUCTS}
    weights = [weight for weight in _Reader(model).inventory().weights if weight.place.startswith("Gemm")]
    assert [weight.values.dtype.name for weight in weights] == ["int8"] * 5
    np.testing.assert_array_equal(weights[0].values, constant(stored[0]))
    assert all(weight.grid is not None and not np.any(weight.grid.zero_point) for weight in weights)


def test_a_shared_weight_stays_signed_beside_signed_activations_and_where_all_computes_in_float() -> None:
    g = Graph(2, 4, 4)
    read = g.node(
        "DequantizeLinear", g.constant(RANDOM.integers(-127, 128, (4, 4)).astype(np.int8)), g.constant(SCALES)
    )
    value = g.pair(g.x)
    for _ in range(2):
        value = g.pair(g.node("MatMul", value, g.node("Transpose", read)))
    table = g.node(
        "DequantizeLinear", g.constant(RANDOM.integers(-127, 128, 4).astype(np.int8)), g.constant(SCALES[:1])
    )
    value = g.node("Sub", g.node("Sub", value, g.node("Abs", table)), g.node("Neg", table))
    model = g.model(value)
    compact(model)
    assert set(dtypes_of_weights(model)) == {"int8"}


@pytest.mark.parametrize("unsigned", [True, False])
def test_a_number_that_two_operators_take_is_as_unsigned_as_their_activations(unsigned: bool) -> None:
    """ONNX Runtime makes no constant unsigned that it must make so twice: the file would not load with the entry."""
    g = Graph(2, 4)
    factor = g.node("DequantizeLinear", g.constant(np.int8(50)), g.constant(np.float32(0.01)))
    value = g.pair(g.x)
    for _ in range(2):
        value = g.pair(g.node("Mul", value, factor))
    value = g.pair(g.node("Gemm", value, g.weight(4, 4), transB=1))
    model = g.model(value)
    before = run(model, IMAGE[:, :, 0, 0])
    if unsigned:
        activations_to_uint8(model)
    compact(model)
    assert dtypes_of_weights(model)[0] == ("uint8" if unsigned else "int8")
    np.testing.assert_array_equal(run(model, IMAGE[:, :, 0, 0]), before)
    assert session_options(model) == ({"config": EXACT_PRODUCTS} if unsigned else {})
    if unsigned:
        entry = next(iter(EXACT_PRODUCTS.items()))
        options = onnxruntime().SessionOptions()
        options.add_session_config_entry(*entry)
        onnxruntime().InferenceSession(ir.to_proto(model).SerializeToString(), options)


def dtypes_of_weights(model: ir.Model) -> list[str]:
    read = [constant(node.inputs[0]) for node in by_type(model, "DequantizeLinear")]
    return [array.dtype.name for array in read if array is not None]


def test_what_a_compact_file_computes_in_is_still_known(tmp_path: Path) -> None:
    model = layers(2, 4, 8, 8)
    compact(model)
    ir.save(model, tmp_path / "model.onnx")
    shipped = ir.load(tmp_path / "model.onnx")
    assert all(value.type is None for node in shipped.graph for value in node.outputs if not value.is_graph_output())
    found = computing(shipped, optimized(tmp_path / "model.onnx"))
    assert found == {("QLinearConv", "int8"): 2, ("NhwcMaxPool", "int8"): 1}


def test_inner_shapes_stay_where_a_dimension_is_dynamic() -> None:
    model = layers("batch", 4, 8, 8)
    compact(model)
    assert all(value.shape is not None for node in model.graph for value in node.outputs)


def test_inner_shapes_stay_beside_an_operator_that_is_not_onnx_s_own() -> None:
    g = Graph(2, 4)
    g.graph.opset_imports["own"] = 1
    own = ir.node("Twice", [g.x], domain="own")
    own.outputs[0].shape, own.outputs[0].type = ir.Shape([2, 4]), ir.TensorType(ir.DataType.FLOAT)
    g.graph.append(own)
    model = g.model(g.node("Relu", own.outputs[0]))
    compact(model)
    assert own.outputs[0].shape is not None


def test_names_stay_unique_and_the_ends_keep_theirs() -> None:
    g = Graph(2, 4)
    stranger = g.node("Relu", g.x)
    stranger.name = "x_q"
    output = g.pair(g.node("Add", g.pair(g.x), g.pair(stranger, scale=RANDOM.random())))
    output.name = "y"
    model = g.model(output)
    compact(model)
    names = [value.name for node in model.graph for value in node.outputs]
    assert len(set(names)) == len(names)
    assert (model.graph.inputs[0].name, model.graph.outputs[0].name) == ("x", "y")
    assert {"x_q", "x_q2", "x_dq"} <= set(names)
    run(model, RANDOM.normal(size=(2, 4)).astype(np.float32))

"""What edgeship says of files that were made elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeship.toolchain.artifact import Artifact, Contract, Runtime, Tensor
from edgeship.toolchain.commands.inspect import inspect, random_samples
from edgeship.toolchain.errors import EXIT_USAGE, RecipeError

pytestmark = pytest.mark.heavy

WEIGHT_BYTES = 64 * 32 * 4
BIAS_BYTES = 32 * 4


def save_with_weights_beside(file: Path, location: str = "model.onnx.data") -> None:
    weights = [
        numpy_helper.from_array(np.full((64, 32), 0.5, np.float32), "w"),
        numpy_helper.from_array(np.ones(32, np.float32), "b"),
    ]
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, s]) for n, s in (("x", 64), ("y", 32)))
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Add", ["z", "b"], ["y"])]
    graph = helper.make_graph(nodes, "g", [x], [y], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, file, save_as_external_data=True, location="model.onnx.data", size_threshold=0)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            entry.value = location if entry.key == "location" else entry.value
    file.write_bytes(model.SerializeToString())


def test_weights_beside_an_onnx_file_count_as_its_own(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    save_with_weights_beside(file)
    found = inspect(file)
    assert found["size_bytes"] == file.stat().st_size + (tmp_path / "model.onnx.data").stat().st_size
    assert found["size_bytes"] > WEIGHT_BYTES + BIAS_BYTES > file.stat().st_size
    assert found["weight_bytes"] == {"float32": WEIGHT_BYTES + BIAS_BYTES}
    assert found["largest"] == [["w", WEIGHT_BYTES], ["b", BIAS_BYTES]]
    assert found["dtypes"]["float32"] >= 1
    assert found["extra_files"] == ["model.onnx.data"]


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("elsewhere.data", "elsewhere.data, which holds its weights, is not beside it"),
        ("../model.onnx.data", "keeps weights outside of its folder, in ../model.onnx.data"),
        ("x" * 3000, "which holds its weights, is not beside it"),
    ],
)
def test_an_onnx_file_without_its_weights_is_one_clear_error(location: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    save_with_weights_beside(file, location)
    with pytest.raises(RecipeError) as error:
        inspect(file)
    assert told in str(error.value)
    assert error.value.exit_code == EXIT_USAGE


def token_file(**ranges: tuple[float, float]) -> Artifact:
    return Artifact(
        format="onnx",
        file="tokens.onnx",
        spec="float32",
        runtime=Runtime(name="onnxruntime", minimum_version="1"),
        inputs=(
            Tensor(name="ids", dtype="int64", shape=(1, 64)),
            Tensor(name="gain", dtype="float32", shape=(1, 64)),
            Tensor(name="mask", dtype="bool", shape=(1, 64)),
        ),
        outputs=(),
        size_bytes=1,
        sha256="",
        dtypes=None,
        contract=Contract(ranges=ranges),
    )


def test_made_up_inputs_keep_to_the_ranges_of_the_artifact() -> None:
    notes: list[str] = []
    inputs = random_samples(token_file(ids=(5, 300), gain=(2, 3)), {}, 4, on_note=notes.append).inputs
    assert inputs["ids"].dtype == np.int64
    assert inputs["ids"].min() >= 5
    assert 200 < inputs["ids"].max() <= 300
    assert inputs["gain"].min() >= 2
    assert inputs["gain"].max() <= 3
    assert not notes


def test_integers_of_unknown_range_are_told() -> None:
    notes: list[str] = []
    inputs = random_samples(token_file(), {}, 4, on_note=notes.append).inputs
    assert set(np.unique(inputs["ids"])) == {0, 1}
    assert len(notes) == 1
    assert "input ids is given 0 and 1" in notes[0]


def test_a_range_that_the_type_cannot_hold_is_refused() -> None:
    with pytest.raises(RecipeError, match="no int64 values can be made up"):
        random_samples(token_file(ids=(0, 1e30)), {}, 4)

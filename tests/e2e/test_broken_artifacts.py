"""No silent failure: artifacts broken in many ways are all caught, the sound ones beside them all pass."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from digits_run import DIGITS, DigitsRun, digits_text
from onnx import helper, numpy_helper

from edgeship.toolchain.artifact import Artifact, digest, size_bytes
from edgeship.toolchain.build import builder as pipeline
from edgeship.toolchain.build.lines import Built
from edgeship.toolchain.commands import inspect as foreign
from edgeship.toolchain.devices.local import Local
from edgeship.toolchain.judge import verdict as verify
from edgeship.toolchain.judge.case import Case
from edgeship.toolchain.judge.task import Task
from edgeship.toolchain.recipe import read as recipes
from edgeship.toolchain.samples import load_samples

Break = Callable[[onnx.ModelProto], None]


@pytest.fixture(scope="module")
def lines(digits: DigitsRun, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Built]:
    """The built lines of the shared run, from its cache."""
    log = tmp_path_factory.mktemp("log") / "log.txt"
    with pipeline.builder(digits.recipe, digits.store, log, lambda event: None) as builder:
        return {(line.plan.variant, line.plan.target_name): line for line in builder.build() if isinstance(line, Built)}


def judge(line: Built, artifact: Artifact, folder: Path) -> verify.Verdict:
    evaluation = line.plan.model.data["evaluation"]
    assert evaluation.metric is not None
    case = Case(
        spec=line.plan.spec,
        samples=load_samples(line.comparison.samples),
        expected=dict(load_samples(line.comparison.expected).inputs),
        reference=dict(load_samples(line.comparison.reference).inputs),
        task=Task(evaluation.metric, evaluation.metric_name),
        floor=line.comparison.floor,
    )
    with Local().open() as link:
        return verify.judge(artifact, folder, link, case)


def broken(line: Built, change: Break, tmp_path: Path) -> verify.Verdict:
    """The verdict on a line's ONNX file after a change to its graph."""
    folder = tmp_path / "artifact"
    shutil.copytree(line.folder, folder)
    file = folder / line.artifact.file
    model = onnx.load(file)
    change(model)
    onnx.save(model, file)
    about = foreign.inspect(file)
    changed = {"sha256": digest(file), "size_bytes": size_bytes(file), "dtypes": about["dtypes"]}
    return judge(line, line.artifact.model_copy(update=changed), folder)


def weights(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    """Constants with four dimensions: the convolutions' weights, in the order of the file."""
    return [tensor for tensor in model.graph.initializer if len(tensor.dims) == 4 and tensor.dims[0] > 1]


def replace(tensor: onnx.TensorProto, change: Callable[[Any], Any]) -> None:
    array = numpy_helper.to_array(tensor)
    tensor.CopyFrom(numpy_helper.from_array(change(array).astype(array.dtype), tensor.name))


def scale_a_weight(model: onnx.ModelProto) -> None:
    replace(weights(model)[len(weights(model)) // 2], lambda array: array * 1.05)


def scale_a_quantized_weight(model: onnx.ModelProto) -> None:
    scales = [
        node.input[1]
        for node in model.graph.node
        if node.op_type == "DequantizeLinear"
        and any(t.name == node.input[0] and len(t.dims) == 4 for t in model.graph.initializer)
    ]
    for tensor in model.graph.initializer:
        if tensor.name == scales[len(scales) // 2]:
            replace(tensor, lambda array: array * 1.05)


def scale_integers(model: onnx.ModelProto, factor: float, dims: int) -> None:
    """Multiply the integers of the middle weight with so many dimensions."""
    found = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.INT8 and len(t.dims) == dims]
    replace(found[len(found) // 2], lambda array: np.clip(np.round(array * factor), -128, 127))


def zero_a_channel(model: onnx.ModelProto) -> None:
    replace(weights(model)[2], lambda array: np.concatenate([array[:1] * 0, array[1:]]))


def answer_through(model: onnx.ModelProto, nodes: Callable[[str, str], list[onnx.NodeProto]]) -> None:
    """Put nodes between what the graph answers and its output."""
    output = model.graph.output[0].name
    for node in model.graph.node:
        node.output[:] = ["sound" if name == output else name for name in node.output]
    model.graph.node.extend(nodes("sound", output))


def constant(model: onnx.ModelProto, name: str, value: Any) -> str:
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return name


def answer_zeros(model: onnx.ModelProto) -> None:
    zero = constant(model, "zero", np.float32(0))
    answer_through(model, lambda inner, outer: [helper.make_node("Mul", [inner, zero], [outer])])


def answer_a_constant(model: onnx.ModelProto) -> None:
    zero, one = constant(model, "zero", np.float32(0)), constant(model, "ramp", np.arange(10, dtype=np.float32))
    answer_through(
        model,
        lambda inner, outer: [
            helper.make_node("Mul", [inner, zero], ["nothing"]),
            helper.make_node("Add", ["nothing", one], [outer]),
        ],
    )


def answer_nan_on_some_inputs(model: onnx.ModelProto) -> None:
    """NaN where one corner of the picture is empty."""
    image = model.graph.input[0].name
    zero = constant(model, "zero", np.float32(0))
    index = constant(model, "corner", np.array([10], dtype=np.int64))
    answer_through(
        model,
        lambda inner, outer: [
            helper.make_node("Gather", [image, index], ["row"], axis=2),
            helper.make_node("Gather", ["row", index], ["pixel"], axis=3),
            helper.make_node("ReduceMax", ["pixel"], ["value"], keepdims=0),
            helper.make_node("Log", ["value"], ["log"]),
            helper.make_node("Mul", ["log", zero], ["zero_or_nan"]),
            helper.make_node("Add", [inner, "zero_or_nan"], [outer]),
        ],
    )


def swap_two_classes(model: onnx.ModelProto) -> None:
    order = constant(model, "order", np.array([0, 2, 1, 3, 4, 5, 6, 7, 8, 9], dtype=np.int64))
    answer_through(model, lambda inner, outer: [helper.make_node("Gather", [inner, order], [outer], axis=1)])


def preprocess_wrongly(model: onnx.ModelProto) -> None:
    """Pictures scaled to −1 … 1 inside the file, though they come scaled to 0 … 1 already."""
    image = model.graph.input[0].name
    for node in model.graph.node:
        node.input[:] = ["rescaled" if name == image else name for name in node.input]
    two, one = constant(model, "two", np.float32(2)), constant(model, "one", np.float32(1))
    nodes = [
        helper.make_node("Mul", [image, two], ["doubled"]),
        helper.make_node("Sub", ["doubled", one], ["rescaled"]),
    ]
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *rest])


def rename_the_output(model: onnx.ModelProto) -> None:
    answer_through(model, lambda inner, outer: [helper.make_node("Identity", [inner], ["scores"])])
    model.graph.output[0].name = "scores"


BREAKS: dict[str, tuple[Break, str]] = {
    "a weight scaled by 1.05": (scale_a_weight, "SQNR against its own program"),
    "one channel of a weight is zero": (zero_a_channel, "SQNR against its own program"),
    "zeros": (answer_zeros, "zero everywhere"),
    "a constant": (answer_a_constant, "the same for every input"),
    "NaN on some inputs": (answer_nan_on_some_inputs, "NaN or infinite on"),
    "two classes swapped": (swap_two_classes, "SQNR against its own program"),
    "wrong preprocessing": (preprocess_wrongly, "SQNR against its own program"),
}


@pytest.mark.parametrize("how", BREAKS)
def test_a_broken_float_file_is_caught(how: str, lines: dict[tuple[str, str], Built], tmp_path: Path) -> None:
    change, reason = BREAKS[how]
    verdict = broken(lines["float", "onnx"], change, tmp_path)
    assert verdict.verdict == "fail"
    assert any(reason in text for text in verdict.reasons), verdict.reasons


@pytest.mark.parametrize("how", [*(name for name in BREAKS if "weight" not in name), "a scale times 1.05"])
def test_a_broken_int8_file_is_caught(how: str, lines: dict[tuple[str, str], Built], tmp_path: Path) -> None:
    change = scale_a_quantized_weight if how == "a scale times 1.05" else BREAKS[how][0]
    assert broken(lines["int8", "onnx"], change, tmp_path).verdict == "fail"


@pytest.fixture(scope="module")
def other_lines(digits: DigitsRun, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Built]:
    """Variants that the shared run does not have, on ONNX Runtime."""
    text = digits_text(("fp16", "int8-dynamic"), ("onnx",))
    recipe = recipes.parse(text.replace("[variants]", '[variants]\nint8-weights = ["quantize-weights"]'), DIGITS)
    log = tmp_path_factory.mktemp("log") / "log.txt"
    with pipeline.builder(recipe, digits.store, log, lambda event: None) as builder:
        return {line.plan.variant: line for line in builder.build() if isinstance(line, Built)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "change"),
    [
        ("fp16", scale_a_weight),
        ("int8-dynamic", scale_a_weight),
        ("int8-dynamic", functools.partial(scale_integers, factor=1.05, dims=2)),
        # by 1.05 it would hide behind the rounding of the weights and of MatMulNBits' activations
        ("int8-weights", functools.partial(scale_integers, factor=1.1, dims=4)),
        *((variant, change) for variant in ("fp16", "int8-dynamic", "int8-weights") for change in (
            zero_a_channel, answer_nan_on_some_inputs, swap_two_classes, preprocess_wrongly
        )),
    ],
)  # fmt: skip
def test_broken_files_of_other_kinds_are_caught(
    variant: str, change: Break, other_lines: dict[str, Built], tmp_path: Path
) -> None:
    assert broken(other_lines[variant], change, tmp_path).verdict == "fail"


def test_int8_that_computes_in_float_is_caught(lines: dict[tuple[str, str], Built]) -> None:
    """The float file under the name of the int8 one: as accurate as can be, and not what was asked for."""
    line, float_line = lines["int8", "onnx"], lines["float", "onnx"]
    verdict = judge(line, float_line.artifact, float_line.folder)
    assert verdict.verdict == "fail"
    assert any("no operator in the file computes in int8" in reason for reason in verdict.reasons)


@pytest.mark.parametrize("target", ["onnx", "executorch", "litert"])
def test_a_truncated_file_is_caught_and_named(target: str, lines: dict[tuple[str, str], Built], tmp_path: Path) -> None:
    line = lines["float", target]
    folder = tmp_path / "artifact"
    shutil.copytree(line.folder, folder)
    file = folder / line.artifact.file
    file.write_bytes(file.read_bytes()[: size_bytes(file) // 2])
    verdict = judge(line, line.artifact.model_copy(update={"sha256": digest(file)}), folder)
    assert verdict.verdict == "fail"
    assert verdict.reasons


def test_the_sound_ones_beside_them_all_pass(lines: dict[tuple[str, str], Built]) -> None:
    for name, line in lines.items():
        verdict = judge(line, line.artifact, line.folder)
        assert (name, verdict.verdict, verdict.reasons) == (name, "pass", ())


@pytest.mark.slow
def test_the_sound_ones_of_other_kinds_pass(other_lines: dict[str, Built]) -> None:
    for name, line in other_lines.items():
        verdict = judge(line, line.artifact, line.folder)
        assert (name, verdict.verdict, verdict.reasons) == (name, "pass", ())


def test_a_renamed_output_is_caught(lines: dict[tuple[str, str], Built], tmp_path: Path) -> None:
    assert broken(lines["float", "onnx"], rename_the_output, tmp_path).verdict == "fail"

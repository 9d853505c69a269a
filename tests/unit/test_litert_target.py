"""The LiteRT target: real programs, real files, the real runtime."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter
from litert_files import make, run
from models import streaming_net
from quantize_context import answers, digits, encoder, program_of, sqnr_db
from torch import nn
from torch.export import ExportedProgram

from edgeship.targets.litert import inspect, rewrites
from edgeship.targets.litert import upstream as upstream
from edgeship.targets.litert.target import LiteRT
from edgeship.toolchain.api import (
    FLOAT16,
    FLOAT32,
    W8_WEIGHTS,
    W8A8_DYNAMIC,
    W8A8_STATIC,
    Artifact,
    Context,
    EdgeshipError,
    ExportError,
    Samples,
    Signature,
    Tensor,
    digest,
    export,
)
from edgeship.toolchain.model.program import flatten
from edgeship.toolchain.passes.cast import CastFp16
from edgeship.toolchain.passes.quantize import QuantizeDynamic, QuantizeStatic, QuantizeWeights

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("litert")


@pytest.fixture(scope="module")
def float_digits(folder: Path) -> tuple[Artifact, Path]:
    program, context, _ = digits()
    return make(program, context, FLOAT32, folder / "float")


@pytest.fixture(scope="module")
def static_digits() -> tuple[ExportedProgram, Context]:
    program, context, _ = digits()
    return QuantizeStatic().apply(program, context), context


def test_a_float_file_answers_like_its_program_and_carries_the_names(float_digits: tuple[Artifact, Path]) -> None:
    program, context, _ = digits()
    artifact, file = float_digits
    samples = context.calibration.take(range(8))
    expected = answers(program, samples)
    assert expected.abs().max() > 1
    assert sqnr_db(expected, run(file, samples)) > 100
    assert [tensor.name for tensor in (*artifact.inputs, *artifact.outputs)] == ["image", "output"]
    assert artifact.sha256 == digest(file)
    assert artifact.placement.left == 0


def test_a_static_int8_file_computes_in_int8_and_takes_float(
    folder: Path, static_digits: tuple[ExportedProgram, Context]
) -> None:
    quantized, context = static_digits
    artifact, file = make(quantized, context, W8A8_STATIC, folder / "static")
    samples = context.calibration.take(range(16))
    expected = answers(quantized, samples)
    assert expected.abs().max() > 1
    assert sqnr_db(expected, run(file, samples)) > 30
    assert artifact.dtypes["int8"] >= 6
    assert "float32" not in artifact.dtypes
    assert artifact.weight_bytes["int8"] > 20_000
    assert [tensor.dtype for tensor in (*artifact.inputs, *artifact.outputs)] == ["float32", "float32"]
    assert artifact.placement.left == 0


def test_int8_inputs_and_outputs_are_an_option_and_described(
    folder: Path, static_digits: tuple[ExportedProgram, Context]
) -> None:
    quantized, context = static_digits
    artifact, file = make(quantized, context, W8A8_STATIC, folder / "int8-io", io="int8")
    assert artifact.inputs[0].dtype == artifact.outputs[0].dtype == "int8"
    taken, given = artifact.inputs[0].quantization, artifact.outputs[0].quantization
    image, *_ = context.calibration.row(0)
    runner = Interpreter(str(file), num_threads=1).get_signature_runner()
    stored = np.clip(np.round(image / taken.scale) + taken.zero_point, -128, 127).astype(np.int8)
    answer = (runner(image=stored)["output"].astype(np.float32) - given.zero_point) * given.scale
    expected = answers(quantized, context.calibration.take([0]))
    assert sqnr_db(expected, torch.from_numpy(answer)) > 30


def test_a_float16_file_holds_half_the_bytes_and_the_same_values(
    folder: Path, float_digits: tuple[Artifact, Path]
) -> None:
    program, context, _ = digits()
    half = CastFp16().apply(program, context)
    before, state = half.graph_module.code, {name: value.dtype for name, value in half.state_dict.items()}
    float_artifact, _ = float_digits
    artifact, file = make(half, context, FLOAT16, folder / "float16")
    samples = context.calibration.take(range(8))
    assert sqnr_db(answers(half, samples), run(file, samples)) > 60
    assert artifact.weight_bytes["float16"] > 10 * artifact.weight_bytes["float32"]
    assert artifact.size_bytes < 0.65 * float_artifact.size_bytes
    assert artifact.placement.left == 0
    # the program given is left as it was
    assert half.graph_module.code == before
    assert {name: value.dtype for name, value in half.state_dict.items()} == state


def test_a_dynamic_int8_file_keeps_the_programs_integers(folder: Path) -> None:
    program, context, _ = encoder()
    quantized = QuantizeDynamic().apply(program, context)
    artifact, file = make(quantized, context, W8A8_DYNAMIC, folder / "dynamic")
    expected = answers(quantized, context.calibration)
    assert expected.abs().max() > 0.5
    # the program quantizes activations per tensor, the runtime per row
    assert sqnr_db(expected, run(file, context.calibration)) > 30
    assert artifact.dtypes["int8"] == 5
    assert artifact.weight_bytes["int8"] > 3 * artifact.weight_bytes["float32"]
    assert [tensor.dtype for tensor in artifact.inputs] == ["int32", "int32"]


def test_a_weight_only_file_computes_in_float_exactly_what_the_program_does(folder: Path) -> None:
    program, context, _ = encoder()
    quantized = QuantizeWeights().apply(program, context)
    artifact, file = make(quantized, context, W8_WEIGHTS, folder / "weights")
    assert sqnr_db(answers(quantized, context.calibration), run(file, context.calibration)) > 90
    assert "int8" not in artifact.dtypes
    assert artifact.weight_bytes["int8"] > 3 * artifact.weight_bytes["float32"]


def test_a_dynamic_batch_is_resized_at_run_time(folder: Path) -> None:
    program, context, _ = digits(batch="batch")
    artifact, file = make(program, context, FLOAT32, folder / "batch")
    assert artifact.inputs[0].shape[0] == artifact.outputs[0].shape[0] == "batch"
    images = np.concatenate([context.calibration.row(index)[0] for index in range(5)])
    interpreter = Interpreter(str(file), num_threads=1)
    interpreter.resize_tensor_input(0, images.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, images)
    interpreter.invoke()
    answer = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    with torch.no_grad():
        expected = program.module()(torch.from_numpy(images))[0]
    assert answer.shape == (5, 10)
    assert sqnr_db(expected, torch.from_numpy(answer)) > 100


def test_state_goes_in_and_comes_out_under_its_names(folder: Path) -> None:
    net, example = streaming_net()
    shapes = {"frame": (1, 8), "state": (1, 16), "said": (1, 4), "next_state": (1, 16)}
    ends = [Tensor(name=name, dtype="float32", shape=shape) for name, shape in shapes.items()]
    signature = Signature(tuple(ends[:2]), tuple(ends[2:]), state={"next_state": "state"})
    artifact, file = make(
        export(flatten(net, 2), example, signature), Context(signature), FLOAT32, folder / "streaming"
    )
    assert [tensor.name for tensor in artifact.outputs] == ["said", "next_state"]
    runner = Interpreter(str(file), num_threads=1).get_signature_runner()
    answer = runner(frame=example[0].numpy(), state=example[1].numpy())
    with torch.no_grad():
        said, state = net(*example)
    assert state.abs().max() > 0.1
    np.testing.assert_allclose(answer["said"], said, atol=1e-6)
    np.testing.assert_allclose(answer["next_state"], state, atol=1e-6)


class Curved(nn.Module):
    def __init__(self, curve: nn.Module) -> None:
        super().__init__()
        self.first, self.curve, self.last = nn.Conv2d(1, 16, 3, padding=1), curve, nn.Conv2d(16, 10, 8)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.last(self.curve(self.first(image)) * 4).flatten(1)


@pytest.mark.parametrize(
    ("curve", "name"),
    [
        (nn.GELU(), "GELU"),
        pytest.param(nn.Hardswish(), "HARD_SWISH", marks=pytest.mark.slow),
        pytest.param(nn.Softmax(1), "SOFTMAX", marks=pytest.mark.slow),
    ],
)
def test_what_xnnpack_takes_in_float_only_becomes_a_float_island(curve: nn.Module, name: str, folder: Path) -> None:
    torch.manual_seed(0)
    _, context, _ = digits()
    program = export(flatten(Curved(curve).eval(), 1), context.example, context.signature)
    quantized = QuantizeStatic().apply(program, context)
    artifact, file = make(quantized, context, W8A8_STATIC, folder / name)
    assert inspect.operators(inspect.read_model(file))[name] == 1
    assert artifact.dtypes["float32"] == 1
    assert artifact.placement.left == 0
    assert sqnr_db(answers(quantized, context.calibration), run(file, context.calibration)) > 30


def test_int8_that_computes_in_float_is_refused(folder: Path) -> None:
    program, context, _ = digits()
    with pytest.raises(ExportError, match="computes in int8"):
        make(program, context, W8A8_STATIC, folder / "fake")


@pytest.mark.slow
def test_the_bytes_hold_no_path_and_no_class_and_are_the_same_in_another_process(
    folder: Path, float_digits: tuple[Artifact, Path]
) -> None:
    _, file = float_digits
    content = file.read_bytes()
    for trace in (b"/work", b"site-packages", b"torch.nn", str(Path.home()).encode() + b"/", b".py"):
        assert trace not in content
    script = (
        "import sys; from pathlib import Path; from quantize_context import digits; from litert_files import make;"
        "from edgeship.toolchain.api import FLOAT32; program, context, _ = digits();"
        "make(program, context, FLOAT32, Path(sys.argv[1]))"
    )
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {paths}; {script}", str(folder / "there")],
        check=True,
        capture_output=True,
    )
    assert (folder / "there" / "model.tflite").read_bytes() == content


def test_inspecting_a_file_needs_no_torch(float_digits: tuple[Artifact, Path]) -> None:
    _, file = float_digits
    script = (
        "import sys, json; from pathlib import Path; from edgeship.targets.litert.inspect import inspect_file;"
        "found = inspect_file(Path(sys.argv[1])); assert 'torch' not in sys.modules; print(json.dumps(found))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(file)], check=True, capture_output=True, text=True)
    assert '"format": "litert"' in done.stdout
    found = inspect.inspect_file(file)
    assert found["operators"]["CONV_2D"] == 3  # the first has one channel: a depthwise one
    assert found["dtypes"] == {"float32": 7}
    assert found["largest"][0][1] == 32 * 64 * 9 * 4
    assert found["backends"]["xnnpack"] >= 7


@pytest.mark.parametrize("content", [b"", b"no tflite at all, only text of some length"])
def test_a_broken_file_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "broken.tflite").write_bytes(content)
    with pytest.raises(EdgeshipError, match=r"broken\.tflite: not a readable"):
        inspect.inspect_file(tmp_path / "broken.tflite")


def test_what_it_cannot_carry_is_known_beforehand() -> None:
    assert LiteRT().unsupported(W8A8_STATIC, dynamic=True) is None
    assert "w4-weights" in LiteRT().unsupported(replace(W8_WEIGHTS, weight_bits=4, group=32), dynamic=False)


def test_rewriting_nothing_changes_no_answer(folder: Path, float_digits: tuple[Artifact, Path]) -> None:
    _, context, _ = digits()
    _, file = float_digits
    model = inspect.read_model(file)
    assert rewrites.compute_in_float(model) == 0
    copy = folder / "copy.tflite"
    copy.write_bytes(upstream.write_flatbuffer(model))
    samples = context.calibration.take(range(3))
    assert torch.equal(run(file, samples), run(copy, samples))


class Causal(nn.Module):
    def __init__(self, by_hand: bool) -> None:
        super().__init__()
        self.first, self.last, self.by_hand = nn.Linear(8, 8), nn.Linear(8, 8), by_hand
        self.register_buffer("mask", torch.ones(6, 6, dtype=torch.bool).tril())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        if not self.by_hand:
            return self.last(nn.functional.scaled_dot_product_attention(x, x, x, self.mask))
        scores = (x @ x.transpose(-2, -1)).masked_fill(~self.mask, float("-inf"))
        return self.last(scores.softmax(-1) @ x)


@pytest.mark.parametrize("by_hand", [False, True])
def test_an_attention_that_must_not_look_ahead_does_not_in_int8(by_hand: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    samples = Samples({"x": np.random.default_rng(0).normal(size=(16, 1, 1, 6, 8)).astype(np.float32)})
    program, context, _ = program_of(Causal(by_hand).eval(), (torch.randn(1, 1, 6, 8),), samples, ("x",))
    quantized = QuantizeStatic().apply(program, context)
    artifact, file = make(quantized, context, W8A8_STATIC, tmp_path)
    assert artifact.dtypes["int8"] == 2
    assert sqnr_db(answers(quantized, samples), run(file, samples)) > 40

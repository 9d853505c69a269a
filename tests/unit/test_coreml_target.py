"""The Core ML target and the agent that evaluates its files."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import models
import numpy as np
import pytest
import torch
from jobs import laid_out
from torch import nn

from edgeship.targets.coreml.evaluate import evaluate
from edgeship.targets.coreml.inspect import inspect_file
from edgeship.targets.coreml.target import CoreML
from edgeship.toolchain import artifact as artifacts
from edgeship.toolchain.api import (
    FLOAT16,
    FLOAT32,
    W8A8_DYNAMIC,
    W8A8_STATIC,
    Context,
    QuantSpec,
    Samples,
    Signature,
    Tensor,
)
from edgeship.toolchain.artifact import Artifact
from edgeship.toolchain.model.program import export, flatten
from edgeship.toolchain.passes.quantize import QuantizeStatic, QuantizeWeights
from edgeship.toolchain.protocol.jobs import Load, read_outputs
from edgeship.toolchain.protocol.messages import Config, Result, dump
from edgeship.toolchain.quant import parse

pytestmark = pytest.mark.heavy

Rows = list[dict[str, np.ndarray[Any, Any]]]


def sqnr_db(want: torch.Tensor, got: np.ndarray[Any, Any]) -> float:
    noise = (want.double() - torch.from_numpy(got).double()).square().sum()
    return float(10 * torch.log10(want.double().square().sum() / noise.clamp(min=1e-30)))


def context_of(net: nn.Module, inputs: tuple[torch.Tensor, ...], names: list[str], batch: bool = False) -> Context:
    def tensor(name: str, value: torch.Tensor) -> Tensor:
        shape = ("batch", *value.shape[1:]) if batch else tuple(value.shape)
        return Tensor(name=name, dtype=str(value.dtype).removeprefix("torch."), shape=shape)

    with torch.no_grad():
        outputs = flatten(net, len(inputs))(*inputs)
    signature = Signature(
        tuple(map(tensor, names, inputs)),
        tuple(tensor(f"output_{i}", value) for i, value in enumerate(outputs)),
        {"batch": (1, 8)} if batch else {},
    )
    return Context(signature=signature, example=inputs)


def made(net: nn.Module, context: Context, out: Path, target: CoreML) -> Artifact:
    out.mkdir(exist_ok=True)
    program = export(flatten(net, len(context.example)), context.example, context.signature)
    if context.spec == W8A8_STATIC:
        calibration = {
            tensor.name: np.random.default_rng(0).normal(size=(16, *value.shape)).astype("float32")
            for tensor, value in zip(context.signature.inputs, context.example, strict=True)
        }
        context = Context(context.signature, W8A8_STATIC, example=context.example, calibration=Samples(calibration))
        program = QuantizeStatic().apply(program, replace(context, spec=FLOAT32))
    elif context.spec.kind == "weights":
        program = QuantizeWeights(bits=context.spec.weight_bits).apply(program, replace(context, spec=FLOAT32))
    return target.export(program, out, context)


def answers(artifact: Artifact, out: Path, rows: Rows, feedback: dict[str, str] | None = None) -> Rows:
    job = laid_out(Load(artifact, out, rows, feedback or {}), out)
    result = evaluate(job, out)
    assert result.runs[0].error is None, result.runs[0].error
    return read_outputs(result, job, out, artifact)


def test_float32_agrees_with_the_model_and_float16_nearly(tmp_path: Path) -> None:
    net, inputs = models.conv_net()
    context = context_of(net, inputs, ["image"])
    want = net(*inputs)
    for precision, limit in (("float32", 100.0), ("float16", 50.0)):
        out = tmp_path / precision
        artifact = made(net, context, out, CoreML(precision=precision))  # type: ignore[arg-type]
        (got,) = answers(artifact, out, [{"image": inputs[0].numpy()}])
        assert sqnr_db(want, got["output_0"]) > limit
        assert np.abs(got["output_0"]).max() > 0.1
        assert set(artifact.dtypes) == {precision}
        assert got["output_0"].dtype == np.float32


def test_int8_is_stored_computed_and_agrees_with_its_program(tmp_path: Path) -> None:
    net, inputs = models.conv_net()
    context = context_of(net, inputs, ["image"])
    context = Context(context.signature, W8A8_STATIC, example=context.example)
    artifact = made(net, context, tmp_path, CoreML())
    assert artifact.dtypes["int8"] >= 4
    assert artifact.weight_bytes["int8"] > 1000
    (got,) = answers(artifact, tmp_path, [{"image": inputs[0].numpy()}])
    assert sqnr_db(net(*inputs), got["output_0"]) > 20


@pytest.mark.parametrize(("name", "stored"), [("w8-weights", "int8"), ("w4-weights-g32", "int4")])
def test_weights_alone_are_stored_as_integers(name: str, stored: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 32)).eval()
    inputs = (torch.randn(1, 64),)
    context = context_of(net, inputs, ["x"])
    context = Context(context.signature, parse(name), example=inputs)
    artifact = made(net, context, tmp_path, CoreML(minimum_deployment_target="iOS18"))
    assert artifact.weight_bytes[stored] >= 9216 * (1 if stored == "int8" else 0.5)
    (got,) = answers(artifact, tmp_path, [{"x": inputs[0].numpy()}])
    assert sqnr_db(net(*inputs), got["output_0"]) > (35 if stored == "int8" else 12)


def test_batches_of_other_sizes_run_where_the_dimension_is_dynamic(tmp_path: Path) -> None:
    net, inputs = models.conv_net()
    artifact = made(net, context_of(net, inputs, ["image"], batch=True), tmp_path, CoreML())
    batch = torch.randn(5, 3, 16, 16)
    one, five = answers(artifact, tmp_path, [{"image": inputs[0].numpy()}, {"image": batch.numpy()}])
    assert one["output_0"].shape == (1, 10)
    assert sqnr_db(net(batch), five["output_0"]) > 50
    assert inspect_file(tmp_path / artifact.file)["inputs"][0]["shape_range"][0] == [1, 8]


def test_operators_that_exist_only_decomposed_still_convert(tmp_path: Path) -> None:
    class Ones(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + x.new_ones(8)

    inputs = (torch.randn(1, 8),)
    artifact = made(Ones(), context_of(Ones(), inputs, ["x"]), tmp_path, CoreML(precision="float32"))
    (got,) = answers(artifact, tmp_path, [{"x": inputs[0].numpy()}])
    assert sqnr_db(inputs[0] + 1, got["output_0"]) > 90


def test_the_tanh_form_of_gelu_survives_the_converter(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Linear(8, 8), nn.GELU(approximate="tanh")).eval()
    inputs = (torch.linspace(-3, 3, 8).reshape(1, 8),)
    artifact = made(net, context_of(net, inputs, ["x"]), tmp_path, CoreML(precision="float32"))
    (got,) = answers(artifact, tmp_path, [{"x": inputs[0].numpy()}])
    assert sqnr_db(net(*inputs), got["output_0"]) > 90


def test_integer_inputs_keep_their_names_and_shrink_to_int32(tmp_path: Path) -> None:
    net, inputs = models.token_net()
    artifact = made(net, context_of(net, inputs, ["input_ids", "attention_mask"]), tmp_path, CoreML())
    assert [(t.name, t.dtype) for t in artifact.inputs] == [("input_ids", "int32"), ("attention_mask", "int32")]
    rows = [{"attention_mask": inputs[1].numpy(), "input_ids": inputs[0].numpy()}]
    (got,) = answers(artifact, tmp_path, rows)
    assert sqnr_db(net(*inputs), got["output_0"]) > 45
    assert [feature["name"] for feature in inspect_file(tmp_path / artifact.file)["inputs"]] == [
        "input_ids",
        "attention_mask",
    ]


def test_a_picture_of_bytes_is_cast_in_the_graph(tmp_path: Path) -> None:
    torch.manual_seed(0)
    convolution, image = nn.Conv2d(3, 8, 3), torch.randint(0, 256, (1, 12, 12, 3), dtype=torch.uint8)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = convolution

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self.convolution(image.to(torch.float32).permute(0, 3, 1, 2) / 255)

    net = Net().eval()
    context = context_of(net, (image,), ["image"], batch=True)
    artifact = made(net, context, tmp_path, CoreML(precision="float32"))
    assert artifact.inputs[0].dtype == "int32"
    (got,) = answers(artifact, tmp_path, [{"image": image.numpy()}])
    assert sqnr_db(net(image), got["output_0"]) > 90


def test_state_goes_from_one_case_to_the_next(tmp_path: Path) -> None:
    net, (_, state) = models.streaming_net()
    context = context_of(net, (torch.randn(1, 8), state), ["frame", "state"])
    artifact = made(net, context, tmp_path, CoreML(precision="float32"))
    frames = torch.randn(3, 1, 8)
    rows = [{"frame": frame.numpy(), "state": state.numpy()} for frame in frames]
    got = answers(artifact, tmp_path, rows, {"output_1": "state"})
    for frame, row in zip(frames, got, strict=True):
        told, state = net(frame, state)
        assert sqnr_db(told, row["output_0"]) > 90


def test_a_weight_scaled_by_five_percent_changes_the_outputs(tmp_path: Path) -> None:
    net, inputs = models.conv_net()
    artifact = made(net, context_of(net, inputs, ["image"]), tmp_path, CoreML(precision="float32"))
    rows = [{"image": inputs[0].numpy()}]
    (sound,) = answers(artifact, tmp_path, rows)
    weights = tmp_path / artifact.file / "Data/com.apple.CoreML/weights/weight.bin"
    stored = net[6].weight.detach().numpy().tobytes()
    raw = weights.read_bytes()
    assert raw.count(stored) == 1
    weights.write_bytes(raw.replace(stored, (net[6].weight.detach() * 1.05).numpy().tobytes()))
    (broken,) = answers(artifact, tmp_path, rows)
    assert sqnr_db(torch.from_numpy(sound["output_0"]), broken["output_0"]) < 40


BUILD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import models
from test_coreml_target import CoreML, context_of, made
net, inputs = models.token_net()
made(net, context_of(net, inputs, ["input_ids", "attention_mask"]), Path(sys.argv[2]), CoreML())
"""


@pytest.mark.slow
def test_two_processes_write_the_same_bytes_without_traces_of_their_machine(tmp_path: Path) -> None:
    # a net that was not trained: training itself differs between thread counts
    net, inputs = models.token_net()
    here = made(net, context_of(net, inputs, ["input_ids", "attention_mask"]), tmp_path / "here", CoreML())
    tests = Path(__file__).parent
    path = f"{tests}:{tests.parent}:{tests.parent.parent}"
    command = [sys.executable, "-c", BUILD, str(tests), str(tmp_path / "there")]
    subprocess.run(command, check=True, capture_output=True, env={"PYTHONPATH": path, "PATH": "/usr/bin:/bin"})
    assert artifacts.digest(tmp_path / "there" / here.file) == here.sha256
    contents = b"".join(p.read_bytes() for p in (tmp_path / "here").rglob("*") if p.is_file())
    for trace in (str(tmp_path), str(tests.parent.parent), "coremltools.version", "conversion_date", "torch=="):
        assert trace.encode() not in contents, trace


def test_the_agent_answers_on_the_command_line_and_names_what_it_does_not_know(tmp_path: Path) -> None:
    net, inputs = models.streaming_net()
    artifact = made(net, context_of(net, inputs, ["frame", "state"]), tmp_path, CoreML())
    rows = [{"frame": inputs[0].numpy(), "state": inputs[1].numpy()}]
    job = laid_out(Load(artifact, tmp_path, rows), tmp_path)
    (tmp_path / "job.json").write_text(dump(job))
    command = [
        sys.executable,
        "-m",
        "edgeship.targets.coreml.evaluate",
        str(tmp_path / "job.json"),
        str(tmp_path / "r.json"),
    ]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    result = Result.model_validate(json.loads((tmp_path / "r.json").read_text()))
    assert (result.runtime.name, result.runtime.backend) == ("coreml", "reference-evaluation")
    assert result.runtime.version.startswith("9.")
    assert len(read_outputs(result, job, tmp_path, artifact)) == 1

    from edgeship.targets.coreml.operators import OPERATORS

    kept = OPERATORS.pop("tanh")
    try:
        error = evaluate(job, tmp_path).runs[0].error
    finally:
        OPERATORS["tanh"] = kept
    assert error is not None
    assert (error.phase, error.code) == ("load", "UNKNOWN_OPERATOR")
    assert "tanh" in error.message


def test_a_latency_job_and_a_corrupt_package_are_refused(tmp_path: Path) -> None:
    net, inputs = models.streaming_net()
    artifact = made(net, context_of(net, inputs, ["frame", "state"]), tmp_path, CoreML())
    rows = [{"frame": inputs[0].numpy(), "state": inputs[1].numpy()}]
    job = laid_out(Load(artifact, tmp_path, rows), tmp_path, Config(mode="latency"))
    error = evaluate(job, tmp_path).runs[0].error
    assert error is not None
    assert error.code == "UNSUPPORTED_JOB"
    (tmp_path / artifact.file / "Data/com.apple.CoreML/model.mlmodel").write_bytes(b"broken")
    job = laid_out(Load(artifact, tmp_path, rows), tmp_path)
    error = evaluate(job, tmp_path).runs[0].error
    assert error is not None
    assert (error.phase, error.code) == ("load", "UNREADABLE")


@pytest.mark.parametrize(
    ("target", "spec", "reason"),
    [
        (CoreML(), W8A8_DYNAMIC, "no dynamic activations"),
        (CoreML(), parse("w4-weights-g32"), "iOS18"),
        (CoreML(precision="float32"), FLOAT16, "float16 weights"),
        (CoreML(), parse("w2-weights"), "carries"),
        (CoreML(minimum_deployment_target="iOS18"), parse("w4-weights-g32"), None),
        (CoreML(), FLOAT32, None),
    ],
)
def test_what_core_ml_cannot_carry_is_known_beforehand(target: CoreML, spec: QuantSpec, reason: str | None) -> None:
    found = target.unsupported(spec, dynamic=True)
    assert (found is None) == (reason is None)
    assert reason is None or reason in str(found)

"""The ONNX target: real programs through ONNX Runtime."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from edgeship.targets.onnx.inspect import inspect_file
from edgeship.targets.onnx.target import Onnx
from edgeship.toolchain.api import (
    FLOAT32,
    W8_WEIGHTS,
    W8A8_DYNAMIC,
    W8A8_STATIC,
    Artifact,
    Context,
    EdgeshipError,
    ExportError,
    QuantSpec,
    Samples,
    Signature,
    Tensor,
    digest,
    export,
    load_callable,
)
from edgeship.toolchain.artifact import read, write
from edgeship.toolchain.devices.launch import launch
from edgeship.toolchain.devices.local import Local
from edgeship.toolchain.model.program import flatten, save
from edgeship.toolchain.passes.cast import CastFp16
from edgeship.toolchain.passes.quantize import QuantizeDynamic, QuantizeStatic, QuantizeWeights
from edgeship.toolchain.protocol.jobs import Load
from edgeship.toolchain.protocol.messages import Config
from tests.models import conv_net, token_net
from tests.tiny_files import TinyFiles

pytestmark = pytest.mark.heavy

Program = torch.export.ExportedProgram
IMAGE = Tensor(name="image", dtype="float32", shape=(1, 3, 16, 16))
LOGITS = Tensor(name="logits", dtype="float32", shape=(1, 10))


def image_context(spec: QuantSpec = FLOAT32, batch: int | str = 1, **kwargs: Any) -> Context:
    inputs = (Tensor(name="image", dtype="float32", shape=(batch, 3, 16, 16)),)
    outputs = (Tensor(name="logits", dtype="float32", shape=(batch, 10)),)
    signature = Signature(inputs, outputs, {"batch": (1, 16)} if isinstance(batch, str) else {})
    return Context(signature=signature, spec=spec, example=conv_net()[1], **kwargs)


def images(count: int) -> np.ndarray:
    return np.random.default_rng(7).normal(0.8, 1, (count, 1, 3, 16, 16)).astype(np.float32)


@functools.cache
def static_program(batch: int | str = 1) -> tuple[Program, Context]:
    net, example = conv_net()
    context = image_context(batch=batch, calibration=Samples({"image": images(32)}))
    program = QuantizeStatic(ranges="min-max").apply(export(flatten(net, 1), example, context.signature), context)
    return program, image_context(W8A8_STATIC, batch)


def run(folder: Path, artifact: Artifact, *inputs: np.ndarray) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    for key, value in artifact.runtime.options.get("config", {}).items():
        options.add_session_config_entry(key, value)
    session = onnxruntime.InferenceSession(str(folder / artifact.file), options)
    return session.run(None, dict(zip([tensor.name for tensor in artifact.inputs], inputs, strict=True)))


def sqnr(reference: np.ndarray, answer: np.ndarray) -> float:
    """Decibels; the reference must not be near zero."""
    assert np.abs(reference).max() > 0.1
    return float(10 * np.log10(np.square(reference).sum() / np.square(reference - answer).sum()))


def test_a_float_program_answers_as_torch_does(tmp_path: Path) -> None:
    net, example = conv_net()
    context = image_context()
    artifact = Onnx().export(export(flatten(net, 1), example, context.signature), tmp_path, context)
    (answer,) = run(tmp_path, artifact, example[0].numpy())
    assert sqnr(net(*example).detach().numpy(), answer) > 90
    assert artifact.dtypes.keys() == {"float32"}
    assert artifact.placement is not None
    assert artifact.runtime.minimum_version == "1.24"


def test_where_nodes_come_from_is_kept_beside_the_file_and_not_in_it(tmp_path: Path) -> None:
    net, example = conv_net()
    context = image_context()
    artifact = Onnx().export(export(flatten(net, 1), example, context.signature), tmp_path, context)
    origins = json.loads((tmp_path / "origins.json").read_text())
    convolutions = [origin for origin in origins.values() if origin["operator"] == "Conv"]
    assert len(convolutions) == 3
    assert all("in forward" in origin["trace"] for origin in convolutions)
    assert "origins.json" not in (artifact.file, *artifact.extra_files)
    assert b"in forward" not in (tmp_path / artifact.file).read_bytes()


def test_a_static_int8_program_computes_in_integers_and_agrees(tmp_path: Path) -> None:
    program, context = static_program()
    artifact = Onnx().export(program, tmp_path, context)
    assert artifact.dtypes == {"int8": 5}  # three convolutions, the pool, the linear layer
    assert artifact.weight_bytes["int8"] > artifact.weight_bytes["float32"]
    data = images(8)
    reference = np.concatenate([program.module()(torch.from_numpy(row))[0].numpy() for row in data])
    answer = np.concatenate([run(tmp_path, artifact, row)[0] for row in data])
    assert sqnr(reference, answer) > 35


def test_int8_activations_are_stored_on_request(tmp_path: Path) -> None:
    program, context = static_program()
    artifact = Onnx(activations="int8").export(program, tmp_path, context)
    assert "uint8" not in artifact.weight_bytes
    (answer,) = run(tmp_path, artifact, images(1)[0])
    assert sqnr(program.module()(torch.from_numpy(images(1)[0]))[0].numpy(), answer) > 30


@pytest.mark.parametrize("opset", [18, 21])
def test_the_opset_decides_the_oldest_runtime(opset: Any, tmp_path: Path) -> None:
    program, context = static_program()
    artifact = Onnx(opset=opset).export(program, tmp_path, context)
    assert artifact.details["opset"][""] == opset
    assert onnx.load(tmp_path / artifact.file).ir_version == {18: 8, 21: 10}[opset]
    assert artifact.runtime.minimum_version == {18: "1.15", 21: "1.18"}[opset]
    assert artifact.dtypes == {"int8": 5}


def test_dynamic_dimensions_keep_their_names_and_work(tmp_path: Path) -> None:
    program, context = static_program("batch")
    artifact = Onnx().export(program, tmp_path, context)
    found = inspect_file(tmp_path / artifact.file)
    assert found["inputs"] == [{"name": "image", "dtype": "float32", "shape": ["batch", 3, 16, 16]}]
    assert found["outputs"] == [{"name": "logits", "dtype": "float32", "shape": ["batch", 10]}]
    data = images(5)[:, 0]
    (together,) = run(tmp_path, artifact, data)
    apart = np.concatenate([run(tmp_path, artifact, row[None])[0] for row in data])
    np.testing.assert_array_equal(together, apart)


def test_integer_inputs_keep_their_dtype(tmp_path: Path) -> None:
    net, example = token_net()
    names = ("input_ids", "attention_mask")
    inputs = tuple(Tensor(name=name, dtype="int64", shape=(1, "length")) for name in names)
    signature = Signature(inputs, (Tensor(name="embedding", dtype="float32", shape=(1, 6)),), {"length": (2, 64)})
    context = Context(signature=signature, example=example)
    artifact = Onnx().export(export(flatten(net, 2), example, signature), tmp_path, context)
    found = inspect_file(tmp_path / artifact.file)
    assert [tensor["dtype"] for tensor in found["inputs"]] == ["int64", "int64"]
    assert [tensor["shape"] for tensor in found["inputs"]] == [[1, "length"]] * 2
    short = tuple(tensor[:, :7] for tensor in example)
    (answer,) = run(tmp_path, artifact, *(tensor.numpy() for tensor in short))
    assert sqnr(net(*short).detach().numpy(), answer) > 90


def token_context(spec: QuantSpec = FLOAT32) -> tuple[torch.nn.Module, Context]:
    """Two linear layers after an embedding table large enough to be quantized."""

    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding(600, 32)
            self.inner = torch.nn.Linear(32, 64)
            self.outer = torch.nn.Linear(64, 32)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return self.outer(torch.nn.functional.gelu(self.inner(self.embedding(ids))))

    torch.manual_seed(3)
    signature = Signature(
        (Tensor(name="ids", dtype="int64", shape=(1, 16)),),
        (Tensor(name="states", dtype="float32", shape=(1, 16, 32)),),
    )
    return Encoder().eval(), Context(signature=signature, spec=spec, example=(torch.randint(0, 600, (1, 16)),))


@pytest.mark.parametrize(
    ("quantize", "stored", "kernel", "largest_share"),
    [
        (QuantizeDynamic(), "int8", "DynamicQuantizeMatMul", 0.36),
        (QuantizeWeights(), "int8", "MatMulNBits", 0.36),
        (QuantizeWeights(bits=4), "int4", "MatMulNBits", 0.36),
        (CastFp16(), "float16", "Gemm", 0.6),
    ],
    ids=["dynamic", "w8", "w4", "fp16"],
)
def test_a_transformer_layer_is_small_and_runs_in_the_right_kernel(
    quantize: Any, stored: str, kernel: str, largest_share: float, tmp_path: Path
) -> None:
    net, context = token_context()
    program = export(flatten(net, 1), context.example, context.signature)
    converted = quantize.apply(program, context)
    spec = quantize.spec(FLOAT32)
    artifact = Onnx().export(converted, tmp_path, token_context(spec)[1])
    assert artifact.weight_bytes[stored] > 0
    weights = 4 * sum(parameter.numel() for parameter in net.parameters())
    assert artifact.size_bytes < weights * largest_share
    assert any(kernel in name for name in artifact.details["kernels"])
    assert ("int8" in artifact.dtypes) == spec.is_integer
    ids = context.example[0]
    (answer,) = run(tmp_path, artifact, ids.numpy())
    assert sqnr(converted.module()(ids)[0].detach().numpy(), answer) > 30
    assert sqnr(net(ids).detach().numpy(), answer) > (15 if stored == "int4" else 30)


def test_int8_filters_are_dequantized_once_when_the_file_is_loaded(tmp_path: Path) -> None:
    net, example = conv_net()
    context = image_context()
    converted = QuantizeWeights().apply(export(flatten(net, 1), example, context.signature), context)
    artifact = Onnx().export(converted, tmp_path, image_context(W8_WEIGHTS))
    assert artifact.weight_bytes["int8"] > 0
    assert artifact.dtypes.keys() == {"float32"}
    assert not {"DequantizeLinear", "Cast"} & artifact.details["kernels"].keys()
    (answer,) = run(tmp_path, artifact, example[0].numpy())
    # the linear layer runs in MatMulNBits, which rounds activations to 8 bits
    assert sqnr(converted.module()(*example)[0].detach().numpy(), answer) > 50


def test_dynamically_quantized_convolutions_compute_in_integers(tmp_path: Path) -> None:
    net, example = conv_net()
    context = image_context()
    quantize = QuantizeDynamic(convolutions=True)
    converted = quantize.apply(export(flatten(net, 1), example, context.signature), context)
    artifact = Onnx().export(converted, tmp_path, image_context(W8A8_DYNAMIC))
    assert "ConvInteger" in artifact.details["kernels"]
    (answer,) = run(tmp_path, artifact, example[0].numpy())
    assert sqnr(converted.module()(*example)[0].detach().numpy(), answer) > 35


def test_both_branches_of_a_cond_are_kept(tmp_path: Path) -> None:
    class Branches(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
            return (torch.cond(x.sum() > 0, lambda v: self.layer(v) + 1, lambda v: torch.sin(v) * 3, (x,)),)

    signature = Signature(
        (Tensor(name="x", dtype="float32", shape=(2, 4)),), (Tensor(name="y", dtype="float32", shape=(2, 4)),)
    )
    net, example = Branches().eval(), (torch.rand(2, 4),)
    context = Context(signature=signature, example=example)
    artifact = Onnx().export(export(net, example, signature), tmp_path, context)
    for x in (example[0], -example[0]):
        (answer,) = run(tmp_path, artifact, x.numpy())
        assert sqnr(net(x)[0].detach().numpy(), answer) > 90


def test_a_while_loop_runs_as_often_as_its_input_says(tmp_path: Path) -> None:
    from torch._higher_order_ops.while_loop import while_loop

    class Loop(torch.nn.Module):
        def forward(self, count: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor]:
            def body(left: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
                return left - 1, value * 1.5 + 0.25

            return (while_loop(lambda left, value: left > 0, body, (count, x))[1],)

    signature = Signature(
        (Tensor(name="count", dtype="int64", shape=()), Tensor(name="x", dtype="float32", shape=(3,))),
        (Tensor(name="y", dtype="float32", shape=(3,)),),
    )
    net, example = Loop().eval(), (torch.tensor(3), torch.rand(3))
    context = Context(signature=signature, example=example)
    artifact = Onnx().export(export(net, example, signature), tmp_path, context)
    for count in (0, 1, 5):
        (answer,) = run(tmp_path, artifact, np.array(count), example[1].numpy())
        np.testing.assert_allclose(answer, net(torch.tensor(count), example[1])[0].numpy(), rtol=1e-5)


BUILD = f"""
import sys
sys.path.append({str(Path(__file__).parents[1])!r})
from pathlib import Path
from edgeship.targets.onnx.target import Onnx
from tests.unit.test_onnx_target import W8A8_STATIC, image_context
from edgeship.toolchain.model.program import load
Onnx().export(load(Path(sys.argv[1])), Path(sys.argv[2]), image_context(W8A8_STATIC))
"""


@pytest.mark.slow
def test_another_process_builds_the_same_bytes_and_no_path_is_in_them(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    program, context = static_program()
    artifact = Onnx().export(program, tmp_path / "here", context)
    save(program, tmp_path / "program.pt2")
    command = [sys.executable, "-c", BUILD, str(tmp_path / "program.pt2"), str(tmp_path / "there")]
    subprocess.run(command, check=True, capture_output=True)
    assert digest(tmp_path / "there" / artifact.file) == artifact.sha256
    data = (tmp_path / "here" / artifact.file).read_bytes()
    for trace in (str(Path.cwd()), str(Path.home()) + "/", "/site-packages", 'File "', "pytorch", "pkg.torch"):
        assert trace.encode() not in data, trace


def test_large_weights_go_beside_the_graph(tmp_path: Path) -> None:
    net, context = token_context()
    program = export(flatten(net, 1), context.example, context.signature)
    artifact = Onnx(external_data=True).export(program, tmp_path, context)
    assert artifact.extra_files == ("model.onnx.data",)
    assert (tmp_path / artifact.file).stat().st_size < 10_000
    write(artifact, tmp_path)
    assert set(read(tmp_path).extra_sha256) == {"model.onnx.data"}
    shipped = [tmp_path / name for name in (artifact.file, *artifact.extra_files)]
    assert artifact.size_bytes == sum(file.stat().st_size for file in shipped)
    (answer,) = run(tmp_path, artifact, context.example[0].numpy())
    assert sqnr(net(*context.example).detach().numpy(), answer) > 90
    weights = bytearray((tmp_path / "model.onnx.data").read_bytes())
    weights[len(weights) // 2] ^= 1
    (tmp_path / "model.onnx.data").write_bytes(weights)
    with pytest.raises(EdgeshipError, match=r"model\.onnx\.data: is not the file"):
        read(tmp_path)


OPS = """
import torch

@torch.library.custom_op("edgeship_test::twice", mutates_args=())
def twice(x: torch.Tensor) -> torch.Tensor:
    return x * 2

@twice.register_fake
def _(x):
    return torch.empty_like(x)

def table():
    from onnxscript import opset18 as op
    return {torch.ops.edgeship_test.twice.default: lambda x: op.Add(x, x)}
"""


def test_a_custom_operator_needs_a_translation_and_takes_the_users(tmp_path: Path) -> None:
    (tmp_path / "ops.py").write_text(OPS)
    load_callable("./ops.py:table", tmp_path)

    class Twice(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
            return (torch.ops.edgeship_test.twice(x) + 1,)

    tensor = Tensor(name="x", dtype="float32", shape=(3,))
    signature = Signature((tensor,), (tensor.model_copy(update={"name": "y"}),))
    example = (torch.rand(3),)
    context = Context(signature=signature, example=example)
    program = export(Twice(), example, signature)
    with pytest.raises(ExportError, match=r"edgeship_test\.twice"):
        Onnx().export(program, tmp_path, context)
    artifact = Onnx(custom_ops=f"{tmp_path}/ops.py:table").export(program, tmp_path, context)
    (answer,) = run(tmp_path, artifact, example[0].numpy())
    np.testing.assert_allclose(answer, example[0].numpy() * 2 + 1, rtol=1e-6)


def test_an_opset_that_cannot_be_made_is_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match="torch writes operators of opset 18 to 23"):
        Onnx(opset=24)


def test_int4_with_an_old_opset_is_unsupported_before_the_run() -> None:
    spec = QuantizeWeights(bits=4).spec(FLOAT32)
    assert "opset 21" in (Onnx(opset=20).unsupported(spec, False) or "")
    assert Onnx().unsupported(spec, False) is None


def test_inspecting_a_file_leaves_torch_alone_and_names_its_largest_weights(tmp_path: Path) -> None:
    program, context = static_program()
    Onnx().export(program, tmp_path, context)
    code = (
        "import sys, json; from pathlib import Path; from edgeship.targets.onnx.inspect import inspect_file; "
        "found = inspect_file(Path(sys.argv[1])); assert 'torch' not in sys.modules; print(json.dumps(found))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "model.onnx")]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert found["dtypes"] == {"int8": 5}
    assert found["largest"][0][1] == 16 * 32  # the 1x1 convolution in int8
    assert found["backends"]["onnxruntime"]["CPUExecutionProvider"]["com.microsoft.QLinearConv"] == 3
    assert found["operators"]["Conv"] == 3


def test_a_file_that_is_not_onnx_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"not a graph")
    with pytest.raises(EdgeshipError, match="not a readable ONNX file"):
        inspect_file(tmp_path / "model.onnx")


def test_onnx_runtime_keeps_no_device_id_and_no_events(
    tiny_files: TinyFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Since 1.32 it does, in the home folder of who runs it: neither the target nor an agent lets it."""
    file = tiny_files.get("conv_net", "onnx")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    look = f"from edgeship.targets.onnx.inspect import inspect_file; inspect_file('{file.folder / file.artifact.file}')"
    subprocess.run([sys.executable, "-c", look], check=True, timeout=120)
    with Local().open() as link:
        launched = launch(link, Load(file.artifact, file.folder, file.rows), Config(mode="verify"))
    assert launched.result.runs[0].error is None
    assert not list(tmp_path.rglob("deviceid*"))

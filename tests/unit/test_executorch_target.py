"""The ExecuTorch target on tiny nets, executed by ExecuTorch."""

from __future__ import annotations

import functools
import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import models
import numpy as np
import pytest
import torch
from native import needs_native

from edgeship.targets.executorch.backends import Xnnpack
from edgeship.targets.executorch.inspect import inspect_file
from edgeship.targets.executorch.pte import read
from edgeship.targets.executorch.target import ExecuTorch
from edgeship.toolchain.api import (
    FLOAT16,
    FLOAT32,
    W8A8_DYNAMIC,
    W8A8_STATIC,
    Context,
    EdgeshipError,
    QuantSpec,
    Samples,
)
from edgeship.toolchain.artifact import Artifact, Tensor
from edgeship.toolchain.commands.inspect import describe
from edgeship.toolchain.devices.local import Local
from edgeship.toolchain.judge.answers import execute
from edgeship.toolchain.model.program import export, flatten
from edgeship.toolchain.passes.cast import CastFp16
from edgeship.toolchain.passes.quantize import QuantizeDynamic, QuantizeStatic
from edgeship.toolchain.plugin import Signature

pytestmark = pytest.mark.heavy


def context(spec: QuantSpec = FLOAT32, batch: int | str = 1) -> Context:
    _, (image,) = models.conv_net()
    signature = Signature(
        (Tensor(name="image", dtype="float32", shape=(batch, 3, 16, 16)),),
        (Tensor(name="logits", dtype="float32", shape=(batch, 10)),),
        dims={"batch": (1, 4)} if batch == "batch" else {},
    )
    torch.manual_seed(3)
    rows = np.stack([(image + 0.5 * torch.randn_like(image)).numpy() for _ in range(24)])
    return Context(signature=signature, spec=spec, example=(image,), calibration=Samples({"image": rows}))


@functools.cache
def program(spec: str = "float32", batch: int | str = 1) -> torch.export.ExportedProgram:
    net, (image,) = models.conv_net()
    at = context(batch=batch)
    float_program = export(flatten(net, 1), (image,), at.signature)
    passes = {"w8a8-static": QuantizeStatic(), "w8a8-dynamic": QuantizeDynamic(), "float16": CastFp16()}
    return passes[spec].apply(float_program, at) if spec in passes else float_program


def run(file: Path, *inputs: torch.Tensor) -> torch.Tensor:
    from executorch.runtime import Runtime

    program = Runtime.get().load_program(str(file))
    return program.load_method("forward").execute(list(inputs))[0].clone()


def sqnr_db(expected: torch.Tensor, answer: torch.Tensor) -> float:
    assert answer.abs().max() > 1
    noise = (expected - answer).square().sum()
    return float(10 * torch.log10(expected.square().sum() / noise)) if noise > 0 else float("inf")


def build(spec: QuantSpec, out: Path) -> tuple[Artifact, float]:
    """The artifact and its SQNR against the program it was made from."""
    source, at = program(str(spec)), context(spec)
    artifact = ExecuTorch().export(source, out, at)
    assert at.calibration is not None
    image = torch.from_numpy(at.calibration.row(5)[0])
    with torch.no_grad():
        expected = source.module()(image)[0]
    return artifact, sqnr_db(expected, run(out / artifact.file, image))


def test_a_float_program_is_delegated_and_answers_the_same(tmp_path: Path) -> None:
    artifact, db = build(FLOAT32, tmp_path)
    assert db > 100
    assert artifact.dtypes == {"float32": 5}
    assert artifact.placement is not None
    assert artifact.placement.left_ops == {}
    assert artifact.placement.taken > 10
    assert artifact.inputs[0].name == "image"
    assert artifact.details["planned_bytes"] > 0


def test_a_static_int8_program_computes_in_integers_only(tmp_path: Path) -> None:
    artifact, db = build(W8A8_STATIC, tmp_path)
    assert db > 40
    assert artifact.dtypes == {"int8": 5}
    assert artifact.weight_bytes["int8"] > 1000


def test_constants_lie_as_close_as_their_backend_takes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("close", "apart"):
        (tmp_path / folder).mkdir()
    close, _ = build(W8A8_STATIC, tmp_path / "close")
    monkeypatch.setattr(Xnnpack, "alignment", 128)
    apart, _ = build(W8A8_STATIC, tmp_path / "apart")
    assert close.size_bytes < apart.size_bytes - 500


def test_a_dynamic_int8_program_computes_its_linear_layer_in_integers(tmp_path: Path) -> None:
    artifact, db = build(W8A8_DYNAMIC, tmp_path)
    assert db > 30
    assert artifact.dtypes["int8"] == 1


def test_a_half_program_computes_in_half(tmp_path: Path) -> None:
    artifact, db = build(FLOAT16, tmp_path)
    assert db > 55
    assert artifact.dtypes == {"float16": 5}
    assert set(artifact.weight_bytes) == {"float16"}


def test_bounds_and_mask_values_beyond_float16_keep_half_arithmetic(tmp_path: Path) -> None:
    class Masked(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(16, 16)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            scores = self.layer(x).clamp(-1e9, torch.finfo(torch.float32).max)
            return scores.masked_fill(x > 1, torch.finfo(torch.float32).min).softmax(-1)

    torch.manual_seed(0)
    example = (torch.randn(1, 16),)
    signature = Signature((Tensor(name="x", dtype="float32", shape=(1, 16)),), ())
    at = Context(signature=signature, example=example)
    half = CastFp16().apply(export(flatten(Masked().eval(), 1), example, signature), at)
    artifact = ExecuTorch().export(half, tmp_path, replace(at, spec=FLOAT16))
    assert artifact.dtypes is not None
    assert artifact.dtypes.get("float16")
    assert not any("breaks" in note for note in artifact.notes)


@needs_native
def test_an_answer_that_lies_channels_last_in_memory_is_read_by_its_dimensions(tmp_path: Path) -> None:
    """Of a file made elsewhere: ours have no memory format."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    torch.manual_seed(0)
    net = torch.nn.Conv2d(3, 5, 1).to(memory_format=torch.channels_last).eval()
    x = torch.randn(1, 3, 4, 6)
    program = torch.export.export(net, (x,))
    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()]).to_executorch()
    (tmp_path / "model.pte").write_bytes(lowered.buffer)
    artifact = describe(tmp_path / "model.pte")
    with Local().open() as link:
        _, [answer] = execute(artifact, tmp_path, link, [{artifact.inputs[0].name: x.numpy()}])
    [found] = answer.values()
    assert np.allclose(found, net(x).detach().numpy(), atol=1e-5)


def test_a_weight_beyond_float16_keeps_float_arithmetic_and_says_so(tmp_path: Path) -> None:
    net = torch.nn.Linear(4, 3)
    with torch.no_grad():
        net.weight[0, 0] = 1e6
    example = (torch.ones(1, 4),)
    signature = Signature(
        (Tensor(name="x", dtype="float32", shape=(1, 4)),), (Tensor(name="y", dtype="float32", shape=(1, 3)),)
    )
    warnings: list[str] = []
    at = Context(signature=signature, example=example, warn=warnings.append)
    half = CastFp16().apply(export(flatten(net, 1), example, signature), at)
    artifact = ExecuTorch().export(half, tmp_path, replace(at, spec=FLOAT16))
    assert "float16" not in artifact.dtypes
    assert any("float32" in note for note in artifact.notes)
    assert run(tmp_path / artifact.file, *example)[0, 0] > 1e5


def test_an_int8_artifact_that_computes_in_float_shows_float(tmp_path: Path) -> None:
    artifact = ExecuTorch().export(program("float32"), tmp_path, context(W8A8_STATIC))
    assert artifact.dtypes == {"float32": 5}


def test_portable_kernels_are_never_shipped_unnoticed(tmp_path: Path) -> None:
    warnings: list[str] = []
    at = context()
    at = Context(signature=at.signature, example=at.example, warn=warnings.append)
    artifact = ExecuTorch(backends=["portable"]).export(program(), tmp_path, at)
    assert any("portable" in warning for warning in warnings)
    assert any("portable" in note for note in artifact.notes)
    assert artifact.placement is not None
    assert artifact.placement.taken == 0
    assert "aten.convolution.default" in artifact.placement.left_ops


def test_a_dynamic_batch_is_honoured_up_to_its_bound(tmp_path: Path) -> None:
    source = program("float32", "batch")
    artifact = ExecuTorch().export(source, tmp_path, context(batch="batch"))
    for size in (1, 3, 4):
        images = torch.randn(size, 3, 16, 16)
        with torch.no_grad():
            expected = source.module()(images)[0]
        assert sqnr_db(expected, run(tmp_path / artifact.file, images)) > 100
    assert artifact.inputs[0].shape[0] == "batch"


@pytest.mark.slow
def test_the_file_is_equal_in_another_process_and_names_nothing_of_this_machine(tmp_path: Path) -> None:
    artifact, _ = build(W8A8_STATIC, tmp_path)
    content = (tmp_path / artifact.file).read_bytes()
    torch.export.save(program("w8a8-static"), tmp_path / "program.pt2")
    (tmp_path / "again").mkdir()
    code = f"""
import sys; sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parent.parent)]!r}
from pathlib import Path
from test_executorch_target import ExecuTorch, W8A8_STATIC, context
from edgeship.toolchain.model.program import load
again = load(Path({str(tmp_path / "program.pt2")!r}))
ExecuTorch().export(again, Path({str(tmp_path / "again")!r}), context(W8A8_STATIC))
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert hashlib.sha256((tmp_path / "again/model.pte").read_bytes()).hexdigest() == artifact.sha256
    for path in (str(Path.cwd()), str(Path.home()) + "/", "site-packages", "/tmp/", ".py"):
        assert path.encode() not in content, path


def test_a_damaged_file_is_named_and_refused(tmp_path: Path) -> None:
    artifact, _ = build(FLOAT32, tmp_path)
    file = tmp_path / artifact.file
    file.write_bytes(file.read_bytes()[:-3000])
    with pytest.raises(EdgeshipError, match=r"model\.pte"):
        read(file)
    file.write_bytes(b"not a program")
    with pytest.raises(EdgeshipError, match="not an ExecuTorch program"):
        inspect_file(file)


def test_inspecting_a_file_does_not_import_torch(tmp_path: Path) -> None:
    artifact, _ = build(FLOAT32, tmp_path)
    code = (
        "import sys; from pathlib import Path; from edgeship.targets.executorch.inspect import inspect_file;"
        f"found = inspect_file(Path({str(tmp_path / artifact.file)!r}));"
        "assert found['operators']['xnnpack::Conv2d'] == 2 and found['dtypes'] == {'float32': 5}, found;"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

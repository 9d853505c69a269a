"""The TorchScript target on tiny nets, executed by torch and by the lite interpreter."""

from __future__ import annotations

import functools
import io
import json
import pickle
import re
import subprocess
import sys
import zipfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import models
import numpy as np
import pytest
import torch

from edgeship.targets.torchscript import harmless
from edgeship.targets.torchscript.engines import onednn_saturates, selected
from edgeship.targets.torchscript.inspect import inspect_file
from edgeship.targets.torchscript.target import TorchScript
from edgeship.targets.torchscript.upstream import load_lite
from edgeship.toolchain.api import (
    FLOAT16,
    FLOAT32,
    W8_WEIGHTS,
    W8A8_DYNAMIC,
    W8A8_STATIC,
    Context,
    EdgeshipError,
    ExportError,
    QuantSpec,
    Samples,
)
from edgeship.toolchain.artifact import Artifact, Tensor
from edgeship.toolchain.commands.inspect import describe
from edgeship.toolchain.model.program import export, flatten, save
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
    passes = {"w8a8-static": QuantizeStatic(), "w8a8-dynamic": QuantizeDynamic()}
    return passes[spec].apply(float_program, at) if spec in passes else float_program


def sqnr_db(expected: torch.Tensor, answer: torch.Tensor) -> float:
    assert answer.abs().max() > 1
    noise = (expected - answer).square().sum()
    return float(10 * torch.log10(expected.square().sum() / noise)) if noise > 0 else float("inf")


def build(target: TorchScript, spec: QuantSpec, out: Path) -> tuple[Artifact, float]:
    """The artifact and its SQNR against the program it was made from."""
    source, at = program(str(spec)), context(spec)
    artifact = target.export(source, out, at)
    assert at.calibration is not None
    image = torch.from_numpy(at.calibration.row(5)[0])
    file = out / artifact.file
    backend = artifact.runtime.backend
    with selected(backend) if backend != "cpu" else nullcontext(), torch.no_grad():  # type: ignore[arg-type]
        module = load_lite(file) if target.lite else torch.jit.load(str(file))
        return artifact, sqnr_db(source.module()(image)[0], module(image)[0])


@pytest.mark.parametrize("method", ["trace", "script"])
@pytest.mark.parametrize("lite", [False, True])
def test_a_float_program_answers_the_same(method: str, lite: bool, tmp_path: Path) -> None:
    target = TorchScript.model_validate({"method": method, "lite": lite})
    artifact, db = build(target, FLOAT32, tmp_path)
    assert db > 100
    assert set(artifact.dtypes) == {"float32"}
    assert artifact.format == ("torchscript_lite" if lite else "torchscript")


@pytest.mark.parametrize("method", ["trace", "script"])
@pytest.mark.parametrize("lite", [False, True])
def test_a_static_int8_program_computes_in_integers_but_for_the_mean(method: str, lite: bool, tmp_path: Path) -> None:
    target = TorchScript.model_validate({"method": method, "lite": lite})
    artifact, db = build(target, W8A8_STATIC, tmp_path)
    assert db > 40
    # the mean over the whole image has a scale of its own, and torch's integer kernel keeps its input's
    assert artifact.dtypes.pop("float32", 0) <= 1
    assert set(artifact.dtypes) == {"int8"}
    assert artifact.weight_bytes["int8"] > 1000


EXACT = pytest.mark.skipif(onednn_saturates(), reason="no VNNI: the int8 products of x86 saturate here")


@pytest.mark.parametrize(
    ("options", "engine"),
    [
        ({}, "qnnpack" if onednn_saturates() else "onednn"),
        ({"lite": True}, "qnnpack"),
        ({"engine": "qnnpack"}, "qnnpack"),
        pytest.param({"engine": "x86"}, "x86", marks=EXACT),
        ({"engine": "reference"}, "cpu"),
    ],
)
def test_an_integer_file_names_the_engine_it_is_judged_with(
    options: dict[str, Any], engine: str, tmp_path: Path
) -> None:
    artifact, db = build(TorchScript.model_validate(options), W8A8_STATIC, tmp_path)
    assert db > 40
    assert artifact.runtime.backend == engine
    assert any("= 'onednn' before" in note for note in artifact.notes) == (engine == "onednn")


def test_a_float_file_is_for_any_engine(tmp_path: Path) -> None:
    artifact, _ = build(TorchScript(lite=True), FLOAT32, tmp_path)
    assert artifact.runtime.backend == "cpu"


def test_a_dynamic_int8_program_computes_its_linear_layer_in_integers(tmp_path: Path) -> None:
    artifact, db = build(TorchScript(), W8A8_DYNAMIC, tmp_path)
    assert db > 40
    assert artifact.dtypes["int8"] == 1


def test_reference_arithmetic_shows_as_float_and_is_flagged(tmp_path: Path) -> None:
    artifact, _ = build(TorchScript(engine="reference"), W8A8_STATIC, tmp_path)
    assert set(artifact.dtypes) == {"float32"}
    assert any("reference" in note for note in artifact.notes)


def test_a_program_that_no_integer_kernel_fits_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no integer kernel"):
        TorchScript().export(program(), tmp_path, context(W8A8_STATIC))


@pytest.mark.parametrize("spec", [FLOAT16, W8_WEIGHTS])
def test_specs_that_freezing_would_undo_are_unsupported(spec: QuantSpec) -> None:
    assert "freezing" in (TorchScript().unsupported(spec, dynamic=False) or "")


def test_a_dynamic_batch_is_honoured(tmp_path: Path) -> None:
    source = program("float32", "batch")
    artifact = TorchScript().export(source, tmp_path, context(batch="batch"))
    module = torch.jit.load(str(tmp_path / artifact.file))
    for size in (1, 3, 4):
        images = torch.randn(size, 3, 16, 16)
        with torch.no_grad():
            assert sqnr_db(source.module()(images)[0], module(images)[0]) > 100


@pytest.mark.slow
def test_files_are_equal_in_another_process_and_name_nothing_of_this_machine(tmp_path: Path) -> None:
    here = []
    for lite in (False, True, False, True):  # the second trace of one process gets a number in its class name
        artifact, _ = build(TorchScript(lite=lite), W8A8_STATIC, tmp_path)
        here.append(artifact.sha256)
    assert here[:2] == here[2:]
    save(program("w8a8-static"), tmp_path / "program.pt2")
    (tmp_path / "again").mkdir()
    code = f"""
import sys; sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parent.parent)]!r}
from pathlib import Path
from test_torchscript_target import TorchScript, W8A8_STATIC, context
from edgeship.toolchain.model.program import load
again = load(Path({str(tmp_path / "program.pt2")!r}))
for lite in (False, True):
    print(TorchScript(lite=lite).export(again, Path({str(tmp_path / "again")!r}), context(W8A8_STATIC)).sha256)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == here[:2]
    for name in ("model.pt", "model.ptl"):
        with zipfile.ZipFile(tmp_path / name) as archive:
            for entry in archive.infolist():
                content = archive.read(entry)
                for path in (str(Path.cwd()), str(Path.home()) + "/", "site-packages", "/tmp/", "mangle"):
                    assert path.encode() not in content, (entry.filename, path)


def test_a_lite_file_holds_no_weight_twice(tmp_path: Path) -> None:
    artifact, _ = build(TorchScript(lite=True), W8A8_STATIC, tmp_path)
    with zipfile.ZipFile(tmp_path / artifact.file) as archive:
        constants = [archive.read(entry) for entry in archive.infolist() if "/constants/" in entry.filename]
    assert len(constants) == len(set(constants))


def test_a_lite_file_from_elsewhere_is_for_qnnpack(tmp_path: Path) -> None:
    artifact, _ = build(TorchScript(lite=True), W8A8_STATIC, tmp_path)
    assert describe(tmp_path / artifact.file).runtime.backend == "qnnpack"


def test_inspecting_reads_operators_dtypes_and_sizes(tmp_path: Path) -> None:
    artifact, _ = build(TorchScript(), W8A8_STATIC, tmp_path)
    found = inspect_file(tmp_path / artifact.file)
    assert found["backend"] == "cpu"
    assert found["operators"]["quantized::conv2d"] == 3
    assert found["dtypes"] == artifact.dtypes
    assert found["largest"][0][1] == 512
    save(program(), tmp_path / "program.pt2")
    found = inspect_file(tmp_path / "program.pt2")
    assert found["inputs"][0]["shape"] == [1, 3, 16, 16]
    assert found["operators"]["aten.conv2d.default"] == 3


class Ran:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("where", ["size", "guard", "sample inputs", "object"])
def test_a_program_that_torch_s_loader_would_run_is_refused(where: str, tmp_path: Path) -> None:
    """Its sizes and guards are evaluated, its pickles loaded with weights_only=False where they need it."""
    save(program(), tmp_path / "program.pt2")
    evil = f'__import__("pathlib").Path({str(tmp_path / "ran")!r}).touch()'
    sampled = io.BytesIO()
    torch.save((Ran(tmp_path / "ran"),), sampled)
    with zipfile.ZipFile(tmp_path / "program.pt2") as sound, zipfile.ZipFile(tmp_path / "evil.pt2", "w") as changed:
        for entry in sound.infolist():
            content = sound.read(entry)
            if "/models/" in entry.filename and where in ("size", "guard"):
                told = json.loads(content)
                values = told["graph_module"]["graph"]["tensor_values"]
                if where == "size":
                    next(iter(values.values()))["sizes"][:] = [{"as_expr": {"expr_str": evil, "hint": None}}]
                else:
                    told["guards_code"] = [evil]
                content = json.dumps(told).encode()
            changed.writestr(entry.filename, content)
        if where == "sample inputs":
            changed.writestr("program/data/sample_inputs/evil.pt", sampled.getvalue())
        if where == "object":
            changed.writestr("program/data/constants/opaque_obj_0", pickle.dumps(Ran(tmp_path / "ran")))
    with pytest.raises(EdgeshipError, match="torch's loader would run what it says"):
        inspect_file(tmp_path / "evil.pt2")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "text", ["Integer(", "S('open(1)')", "exit()", "a.__class__", "Symbol('s0').func('x')", "(lambda: 1)()", "'text'"]
)
def test_only_arithmetic_is_harmless(text: str) -> None:
    assert not harmless._is_arithmetic(text)
    assert harmless._is_arithmetic("FloorDiv(Mul(Integer(2), Symbol('s17', positive=True, integer=True)), 3) + s0")
    assert harmless._is_arithmetic("L['y'].size()[0] == L['args'][0].size()[0]")


def test_a_dynamic_size_of_a_program_is_named_by_its_symbol(tmp_path: Path) -> None:
    batch = torch.export.Dim("batch", min=1, max=64)
    exported = torch.export.export(torch.nn.ReLU(), (torch.ones(2, 3),), dynamic_shapes=({0: batch},))
    torch.export.save(exported, tmp_path / "program.pt2")
    symbol, width = inspect_file(tmp_path / "program.pt2")["inputs"][0]["shape"]
    assert re.fullmatch(r"s\d+", symbol)
    assert width == 3


@pytest.mark.parametrize("name", ["broken.pt", "broken.pt2"])
def test_a_damaged_file_is_named_and_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(EdgeshipError, match="broken"):
        inspect_file(tmp_path / name)

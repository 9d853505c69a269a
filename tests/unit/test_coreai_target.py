"""The Core AI target, its files executed by Core AI's own runtime through the agent."""

from __future__ import annotations

import sys
from pathlib import Path
from subprocess import run
from typing import Any

import models
import numpy as np
import pytest
import torch
from jobs import laid_out
from torch import nn

from edgeship.targets.coreai.inspect import inspect_file
from edgeship.targets.coreai.target import CoreAI, rewrite_quantizers
from edgeship.toolchain.api import (
    FLOAT16,
    FLOAT32,
    W8A8_DYNAMIC,
    W8A8_STATIC,
    Artifact,
    Context,
    QuantSpec,
    Samples,
    Signature,
    Tensor,
)
from edgeship.toolchain.model.program import export, flatten
from edgeship.toolchain.passes.quantize import QuantizeStatic, QuantizeWeights
from edgeship.toolchain.protocol.jobs import Load, read_outputs
from edgeship.toolchain.protocol.messages import Result, dump
from edgeship.toolchain.quant import parse

pytestmark = pytest.mark.heavy

AGENT = Path(__file__).parents[2] / "apps/agents/python/agent.py"


def sqnr_db(want: torch.Tensor, got: np.ndarray[Any, Any]) -> float:
    noise = (want.detach().double() - torch.from_numpy(got).double()).square().sum()
    return float(10 * torch.log10(want.detach().double().square().sum() / noise.clamp(min=1e-30)))


def made(
    net: nn.Module, inputs: tuple[torch.Tensor, ...], names: list[str], out: Path, spec: QuantSpec = FLOAT32
) -> tuple[Artifact, Any]:
    """The artifact and the program it was made from, as a module."""
    with torch.no_grad():
        outputs = flatten(net, len(inputs))(*inputs)

    def tensor(name: str, value: torch.Tensor) -> Tensor:
        return Tensor(name=name, dtype=str(value.dtype).removeprefix("torch."), shape=tuple(value.shape))

    signature = Signature(
        tuple(map(tensor, names, inputs)), tuple(tensor(f"output_{i}", value) for i, value in enumerate(outputs))
    )
    program = export(flatten(net, len(inputs)), inputs, signature)
    if spec == W8A8_STATIC:
        rows = {
            name: np.random.default_rng(0).normal(size=(16, *value.shape)).astype("float32")
            for name, value in zip(names, inputs, strict=True)
        }
        program = QuantizeStatic().apply(program, Context(signature, example=inputs, calibration=Samples(rows)))
    elif spec.kind == "weights":
        program = QuantizeWeights(bits=spec.weight_bits).apply(program, Context(signature, example=inputs))
    artifact = CoreAI().export(program, out, Context(signature, spec, example=inputs))
    return artifact, program.module()


def answers(artifact: Artifact, out: Path, inputs: tuple[torch.Tensor, ...]) -> dict[str, np.ndarray[Any, Any]]:
    rows = [{t.name: value.numpy() for t, value in zip(artifact.inputs, inputs, strict=True)}]
    job = laid_out(Load(artifact, out, rows), out)
    (out / "job.json").write_text(dump(job))
    done = run(
        [sys.executable, AGENT, out / "job.json", out / "result.json"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    result = Result.model_validate_json((out / "result.json").read_text())
    (row,) = read_outputs(result, job, out, artifact)
    return row


def test_a_float_asset_agrees_and_holds_nothing_of_its_machine(tmp_path: Path) -> None:
    net, inputs = models.conv_net()
    artifact, program = made(net, inputs, ["image"], tmp_path)
    got = answers(artifact, tmp_path, inputs)["output_0"]
    assert sqnr_db(program(*inputs)[0], got) > 100
    assert np.abs(got).max() > 0.1
    assert set(artifact.dtypes) == {"float32"}
    contents = b"".join(p.read_bytes() for p in (tmp_path / artifact.file).rglob("*") if p.is_file())
    for trace in (str(tmp_path), str(AGENT.parents[3]), "site-packages", "creationDate"):
        assert trace.encode() not in contents, trace


def test_int8_computes_in_integers_as_its_program_does(tmp_path: Path) -> None:
    net, inputs = models.conv_net()
    artifact, program = made(net, inputs, ["image"], tmp_path, W8A8_STATIC)
    assert artifact.dtypes["int8"] >= 4
    assert artifact.weight_bytes["int8"] > 1000
    got = answers(artifact, tmp_path, inputs)["output_0"]
    assert sqnr_db(program(*inputs)[0], got) > 40
    assert sqnr_db(net(*inputs), got) > 20


@pytest.mark.parametrize(("name", "stored"), [("w8-weights", "int8"), ("w4-weights-g32", "int4")])
def test_weights_alone_are_stored_as_integers(name: str, stored: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 32)).eval()
    inputs = (torch.randn(1, 64),)
    artifact, program = made(net, inputs, ["x"], tmp_path, parse(name))
    assert artifact.weight_bytes[stored] >= 9216 * (1 if stored == "int8" else 0.5)
    assert sqnr_db(program(*inputs)[0], answers(artifact, tmp_path, inputs)["output_0"]) > 100


def test_token_inputs_are_int32_and_keep_their_names(tmp_path: Path) -> None:
    net, inputs = models.token_net()
    artifact, program = made(net, inputs, ["input_ids", "attention_mask"], tmp_path)
    found = inspect_file(tmp_path / artifact.file)
    assert [(i["name"], i["dtype"], i["shape"]) for i in found["inputs"]] == [
        ("input_ids", "int32", [1, 12]),
        ("attention_mask", "int32", [1, 12]),
    ]
    assert found["outputs"] == [{"name": "output_0", "dtype": "float32", "shape": [1, 6]}]
    assert sqnr_db(program(*inputs)[0], answers(artifact, tmp_path, inputs)["output_0"]) > 100


def test_a_quantizer_without_a_twin_is_named() -> None:
    class Dynamic(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            scale, zero = torch.ops.quantized_decomposed.choose_qparams.tensor(x, -128, 127, 1e-9, torch.int8)
            return x * scale + zero

    import torchao.quantization.pt2e.quantize_pt2e  # noqa: F401

    module = torch.export.export(Dynamic(), (torch.randn(3),)).module()
    with pytest.raises(Exception, match="choose_qparams"):
        rewrite_quantizers(module)


def test_dynamic_activations_and_float16_are_known_to_be_unsupported() -> None:
    assert "constant scales" in str(CoreAI().unsupported(W8A8_DYNAMIC, dynamic=False))
    assert "float32" in str(CoreAI().unsupported(FLOAT16, dynamic=False))
    assert CoreAI().unsupported(W8A8_STATIC, dynamic=True) is None

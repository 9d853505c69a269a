"""Numbers that float16 has not, and quantized scalars: files for Core ML that still do what their program does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from test_coreml_target import answers, context_of, made, sqnr_db
from torch import Tensor, nn

from edgeship.targets.coreml.target import CoreML
from edgeship.toolchain.api import FLOAT32, W8A8_STATIC, Artifact, QuantSpec

pytestmark = pytest.mark.heavy


class Wide(nn.Module):
    """A norm written out: its squares pass 65504; behind it numbers that float16 rounds to nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.head = nn.Linear(16, 32), nn.Linear(32, 32), nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.one(x) * 600.0
        x = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)
        y = self.two(x) * 1e-5
        y = y / (y.pow(2).sum(-1, keepdim=True).sqrt() + 1e-9)
        return self.head(y)


class Gated(nn.Module):
    """Quick-GELU: its 1.702 becomes a quantized scalar."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.head = nn.Linear(16, 32), nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.one(x)
        return self.head(x * torch.sigmoid(1.702 * x))


def file_of(net: nn.Module, spec: QuantSpec, out: Path) -> tuple[Artifact, float]:
    """The artifact, and its SQNR in dB against the same program's file in float32 on eight inputs."""
    torch.manual_seed(0)
    inputs = torch.randn(8, 1, 16)
    rows = [{"x": row.numpy()} for row in inputs]
    context = replace(context_of(net, (inputs[0],), ["x"]), spec=spec)
    exact = made(net, context, out / "float32", CoreML(precision="float32"))
    half = made(net, context, out / "float16", CoreML())
    want = np.stack([row["output_0"] for row in answers(exact, out / "float32", rows)])
    got = np.stack([row["output_0"] for row in answers(half, out / "float16", rows)])
    return half, sqnr_db(torch.from_numpy(want), got)


@pytest.mark.parametrize(("spec", "limit"), [(FLOAT32, 50), pytest.param(W8A8_STATIC, 20, marks=pytest.mark.slow)])
def test_what_leaves_float16_stays_float32_and_is_named(spec: QuantSpec, limit: float, tmp_path: Path) -> None:
    torch.manual_seed(0)
    artifact, found = file_of(Wide().eval(), spec, tmp_path)
    assert found > limit
    assert artifact.dtypes
    assert artifact.dtypes["float16"]
    assert artifact.dtypes["float32"]
    assert any("computes in float32 what leaves float16's range: " in note for note in artifact.notes)


def test_a_quantized_scalar_keeps_its_value(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net, inputs = Gated().eval(), torch.randn(8, 1, 16)
    context = replace(context_of(net, (inputs[0],), ["x"]), spec=W8A8_STATIC)
    artifact = made(net, context, tmp_path, CoreML())
    got = np.stack([row["output_0"] for row in answers(artifact, tmp_path, [{"x": row.numpy()} for row in inputs])])
    assert sqnr_db(torch.stack([net(row) for row in inputs]).detach(), got) > 25
    assert not any("float32" in note for note in artifact.notes)


def test_an_attention_mask_is_no_reason_for_float32(tmp_path: Path) -> None:
    class Masked(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            low = torch.finfo(torch.float32).min
            return (x * 3).masked_fill(torch.arange(16) > 11, low).softmax(-1)

    artifact, found = file_of(Masked().eval(), FLOAT32, tmp_path)
    assert found > 50
    assert set(artifact.dtypes or ()) == {"float16"}

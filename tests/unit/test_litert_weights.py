"""Weights in a .tflite file: the program's integers, to the last one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from audits import audit
from quantize_context import program_of
from torch import nn

from edgeship.targets.litert.target import LiteRT
from edgeship.toolchain.api import W8A8_STATIC, Samples
from edgeship.toolchain.passes.quantize import QuantizeStatic

pytestmark = pytest.mark.heavy


def test_a_weight_half_way_between_two_integers_is_the_one_that_the_program_has(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1))
    with torch.no_grad():
        for layer in (net[0], net[2]):
            weight = layer.weight.view(8, -1)
            halves = torch.randint(-90, 90, weight.shape) + 0.5
            scale = torch.rand(8, 1) * 0.01 + 0.001
            weight.copy_(halves * scale)
            weight[:, :1] = 127 * scale
    rows = np.random.default_rng(0).normal(size=(16, 1, 3, 8, 8)).astype(np.float32)
    program, context, _ = program_of(net.eval(), (torch.from_numpy(rows[0]),), Samples({"image": rows}), ("image",))
    quantized = QuantizeStatic().apply(program, context)
    artifact = LiteRT().export(quantized, tmp_path, replace(context, spec=W8A8_STATIC))
    found = audit(quantized, artifact, tmp_path)
    assert found is not None
    assert found.faults == ()

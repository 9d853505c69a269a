"""Pooling and averages over lines reach XNNPACK, in float and in integers, and answer as their program does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from executorch.runtime import Runtime
from quantize_context import answers_of, program_of, sqnr_db
from torch import nn
from torch.nn import functional

from edgeship.targets.executorch.target import ExecuTorch
from edgeship.toolchain.api import FLOAT32, W8A8_STATIC, Samples
from edgeship.toolchain.passes.quantize import QuantizeStatic

pytestmark = pytest.mark.heavy


class Lines(nn.Module):
    """Convolutions and pooling over a line, averages over a line and over an image: [1, 2, 60]."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv1d(2, 8, 5), nn.Conv1d(8, 8, 3)
        self.image = nn.Conv2d(8, 8, 1)
        self.head = nn.Linear(8, 5)

    def forward(self, line: torch.Tensor) -> torch.Tensor:
        line = functional.max_pool1d(torch.relu(self.first(line)), 4, 2, 1)
        line = self.second(line)
        image = self.image(line.reshape(1, 8, 2, 13))
        return self.head(functional.max_pool1d(line, 2).mean(2) + image.mean((2, 3)))


@pytest.mark.parametrize("spec", [FLOAT32, W8A8_STATIC], ids=str)
def test_nothing_is_left_to_portable_kernels(spec, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((16, 1, 2, 60)).astype(np.float32)
    program, context, _ = program_of(Lines().eval(), (torch.from_numpy(rows[0]),), Samples({"line": rows}), ("line",))
    made = program if spec == FLOAT32 else QuantizeStatic().apply(program, context)
    artifact = ExecuTorch().export(made, tmp_path, replace(context, spec=spec))
    assert artifact.placement.left_ops == {}
    assert artifact.placement.partitions == 1
    method = Runtime.get().load_program(tmp_path / artifact.file).load_method("forward")
    answered = torch.cat([method.execute([torch.from_numpy(row)])[0] for row in rows])
    expected = answers_of(made.module(), context.calibration)
    assert sqnr_db(expected, answered) > (80 if spec == FLOAT32 else 30)

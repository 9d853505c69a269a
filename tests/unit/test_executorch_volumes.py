"""Three-dimensional layers in ExecuTorch: two-dimensional ones in the file, the same numbers, integers where asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from audits import audit
from executorch.runtime import Runtime
from quantize_context import answers_of, program_of, sqnr_db
from torch import nn

from edgeship.targets.executorch.target import ExecuTorch
from edgeship.toolchain.api import FLOAT32, W8A8_STATIC, QuantSpec, Samples
from edgeship.toolchain.passes.quantize import QuantizeStatic

pytestmark = pytest.mark.heavy


class Volume(nn.Module):
    """Padded, strided, dilated and grouped convolutions, batch norm and a pool, over depth, height and width."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.norm = nn.Conv3d(2, 8, 3, stride=(2, 1, 1), padding=1), nn.BatchNorm3d(8)
        self.two = nn.Conv3d(8, 12, (3, 2, 3), padding=(2, 0, 1), dilation=(2, 1, 1), groups=4)
        self.head = nn.Linear(12, 4)

    def forward(self, volume: torch.Tensor) -> torch.Tensor:
        x = nn.functional.max_pool3d(torch.relu(self.norm(self.one(volume))), (1, 2, 2))
        return self.head(torch.relu(self.two(x)).mean((2, 3, 4)))


@pytest.mark.parametrize(
    ("spec", "least_db"), [pytest.param(FLOAT32, 100, marks=pytest.mark.slow), (W8A8_STATIC, 35)], ids=str
)
def test_a_volume_answers_like_its_program(spec: QuantSpec, least_db: float, tmp_path: Path) -> None:
    torch.manual_seed(0)
    volumes = np.random.default_rng(0).standard_normal((8, 1, 2, 6, 8, 8)).astype(np.float32)
    program, context, _ = program_of(
        Volume().eval(), (torch.from_numpy(volumes[0]),), Samples({"volume": volumes}), ("volume",)
    )
    program = program if spec == FLOAT32 else QuantizeStatic().apply(program, context)
    artifact = ExecuTorch().export(program, tmp_path, replace(context, spec=spec))
    assert spec == FLOAT32 or artifact.dtypes["int8"] >= 3
    method = Runtime.get().load_program(tmp_path / artifact.file).load_method("forward")
    answered = torch.cat([method.execute([torch.from_numpy(volume)])[0] for volume in volumes])
    assert sqnr_db(answers_of(program.module(), context.calibration), answered) > least_db
    found = audit(program, artifact, tmp_path)
    assert found is not None
    assert not found.faults

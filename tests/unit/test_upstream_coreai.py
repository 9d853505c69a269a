"""Fails when the young APIs of Core AI that edgeship stands on change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from edgeship.targets.coreai.upstream import coreai_torch, read_asset, save_asset

pytestmark = pytest.mark.heavy


def test_an_asset_is_written_and_read_back_with_its_operators(tmp_path: Path) -> None:
    assert coreai_torch().__version__.startswith("0.4")
    assert hasattr(torch.ops.coreai, "quantize")
    program = torch.export.export(nn.Linear(40, 30).eval(), (torch.randn(1, 40),))
    save_asset(program, ["x"], ["y"], tmp_path / "net.aimodel")
    asset = read_asset(tmp_path / "net.aimodel")
    assert asset.inputs == [("x", "float32", [1, 40])]
    assert asset.outputs == [("y", "float32", [1, 30])]
    kinds = [op.kind for op in asset.operations]
    assert "broadcasting_batch_matmul" in kinds
    assert max(op.bytes for op in asset.operations) == 4800
    assert "creationDate" not in json.loads((tmp_path / "net.aimodel/metadata.json").read_text())

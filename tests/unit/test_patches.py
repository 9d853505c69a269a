"""The benchmark's way to break bytes: one stored number changes, and the audit names it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from audits import audit

from benchmarks.patches import PATCHES, patch
from edgeship.targets.onnx.target import Onnx
from edgeship.toolchain.api import FLOAT32, Context, Signature, Tensor, export
from edgeship.toolchain.model.program import flatten

SIGNATURE = Signature(
    (Tensor(name="x", dtype="float32", shape=(1, 12)),), (Tensor(name="y", dtype="float32", shape=(1, 5)),)
)


@pytest.mark.heavy
def test_one_number_in_the_bytes_of_a_file_changes_and_is_a_fault(tmp_path: Path) -> None:
    example = (torch.randn(1, 12),)
    program = export(flatten(torch.nn.Linear(12, 5), 1), example, SIGNATURE)
    artifact = Onnx().export(program, tmp_path, Context(SIGNATURE, FLOAT32, example=example))
    sound = (tmp_path / artifact.file).read_bytes()
    for kind in list(PATCHES)[:2]:
        (tmp_path / artifact.file).write_bytes(sound)
        assert patch(artifact, tmp_path, kind, "0")
        changed = np.frombuffer((tmp_path / artifact.file).read_bytes(), np.uint8) != np.frombuffer(sound, np.uint8)
        assert 0 < changed.sum() <= 4
        found = audit(program, artifact, tmp_path)
        assert found is not None
        assert found.faults
    assert not patch(artifact, tmp_path, "one scale, in the bytes", "0")

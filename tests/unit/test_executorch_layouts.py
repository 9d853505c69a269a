"""An int8 network that hands a copy in another layout on: XNNPACK's layout pass stopped at it with KeyError: 'val'."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from quantize_context import program_of

from benchmarks.coverage_handmade import Activations
from edgeship.targets.executorch.target import ExecuTorch
from edgeship.toolchain.api import W8A8_STATIC, Samples
from edgeship.toolchain.passes.quantize import QuantizeStatic

pytestmark = [pytest.mark.heavy, pytest.mark.slow]


def test_float_norms_and_functions_between_quantized_convolutions_are_lowered(tmp_path: Path) -> None:
    torch.manual_seed(0)
    images = np.random.default_rng(0).standard_normal((2, 1, 3, 64, 64)).astype(np.float32)
    program, context, _ = program_of(
        Activations().eval(), (torch.from_numpy(images[0]),), Samples({"image": images}), ("image",)
    )
    quantized = QuantizeStatic().apply(program, context)
    artifact = ExecuTorch().export(quantized, tmp_path, replace(context, spec=W8A8_STATIC))
    assert artifact.dtypes["int8"] >= 9

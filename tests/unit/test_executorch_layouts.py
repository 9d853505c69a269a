"""Int8 networks whose tensors leave XNNPACK in another layout: its layout pass stopped, or turned them twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from executorch.runtime import Runtime
from quantize_context import answers, program_of, sqnr_db
from torch import nn

from benchmarks.coverage_handmade import Activations
from edgeship.targets.executorch.target import ExecuTorch
from edgeship.toolchain.api import W8A8_STATIC, Samples
from edgeship.toolchain.passes.quantize import QuantizeStatic

pytestmark = pytest.mark.heavy


@pytest.mark.slow
def test_float_norms_and_functions_between_quantized_convolutions_are_lowered(tmp_path: Path) -> None:
    torch.manual_seed(0)
    images = np.random.default_rng(0).standard_normal((2, 1, 3, 64, 64)).astype(np.float32)
    program, context, _ = program_of(
        Activations().eval(), (torch.from_numpy(images[0]),), Samples({"image": images}), ("image",)
    )
    quantized = QuantizeStatic().apply(program, context)
    artifact = ExecuTorch().export(quantized, tmp_path, replace(context, spec=W8A8_STATIC))
    assert artifact.dtypes["int8"] >= 9


class Gated(nn.Module):
    """A quantized tensor that XNNPACK reads in one layout, and a kernel outside of it in the other."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.first(image)
        return x * nn.functional.softplus(x)


def test_a_copy_in_another_layout_is_for_the_reader_that_asked_for_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    images = Samples({"image": np.random.default_rng(0).normal(size=(8, 1, 4, 3, 5)).astype(np.float32)})
    program, context, _ = program_of(Gated().eval(), (torch.randn(1, 4, 3, 5),), images, ("image",))
    quantized = QuantizeStatic().apply(program, context)
    artifact = ExecuTorch().export(quantized, tmp_path, replace(context, spec=W8A8_STATIC))
    method = Runtime.get().load_program(tmp_path / artifact.file).load_method("forward")
    got = torch.cat([method.execute([torch.from_numpy(images.row(index)[0])])[0] for index in range(8)])
    assert sqnr_db(answers(quantized, images), got) > 40

"""A module that is called twice: one set of weights, two layers of the program, right numbers in the file."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from executorch.runtime import Runtime
from quantize_context import answers_of, program_of, sqnr_db
from torch import nn

from edgeship.targets.executorch.target import ExecuTorch
from edgeship.toolchain.api import W8A8_STATIC, Samples
from edgeship.toolchain.passes.quantize import QuantizeStatic

pytestmark = pytest.mark.heavy


class Shared(nn.Module):
    """A convolution and a linear layer used twice, their inputs of different ranges."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.relu, self.head = nn.ReLU(), nn.Linear(8, 8)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.stem(image))
        x = self.relu(self.conv(self.relu(self.conv(x))))
        return self.head(self.relu(self.head(x.mean((2, 3)))))


def test_a_module_called_twice_is_int8_both_times_and_answers_like_its_program(tmp_path: Path) -> None:
    torch.manual_seed(0)
    images = np.random.default_rng(0).standard_normal((16, 1, 3, 16, 16)).astype(np.float32)
    program, context, _ = program_of(
        Shared().eval(), (torch.from_numpy(images[0]),), Samples({"image": images}), ("image",)
    )
    quantized = QuantizeStatic().apply(program, context)
    inputs = [
        str(n.args[1].target) for n in quantized.graph.nodes if str(n.target).startswith(("aten.conv", "aten.lin"))
    ]
    assert Counter(inputs) == {"quantized_decomposed.dequantize_per_channel.default": 5}

    artifact = ExecuTorch().export(quantized, tmp_path, replace(context, spec=W8A8_STATIC))
    assert artifact.dtypes["int8"] >= 5
    method = Runtime.get().load_program(tmp_path / artifact.file).load_method("forward")
    answered = torch.cat([method.execute([torch.from_numpy(image)])[0] for image in images])
    expected = answers_of(quantized.module(), context.calibration)
    assert expected.abs().max() > 0.1
    assert sqnr_db(expected, answered) > 30

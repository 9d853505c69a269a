"""Activation functions in a statically quantized program."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from quantize_context import answers, nodes, operators, program_of, sqnr_db
from torch import nn

from edgeship.toolchain.api import Samples
from edgeship.toolchain.passes.quantize import QuantizeStatic
from edgeship.toolchain.quantization.activations import take_silu_apart

pytestmark = pytest.mark.heavy


class Gated(nn.Module):
    """SiLU between convolutions, once in place, and a squeeze-and-excite gate: [1, 3, 12, 12] → [1, 8]."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Sequential(nn.Conv2d(3, 16, 3), nn.SiLU())
        self.second = nn.Sequential(nn.Conv2d(16, 16, 3, groups=16), nn.SiLU(inplace=True))
        self.gate = nn.Conv2d(16, 16, 1)
        self.head = nn.Linear(16, 8)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        value = self.second(self.first(image))
        value = value * torch.sigmoid(self.gate(value.mean((2, 3), keepdim=True)))
        return self.head(value.mean((2, 3)))


def gated():
    rows = np.random.default_rng(0).normal(size=(24, 1, 3, 12, 12)).astype(np.float32) * 2
    return program_of(Gated().eval(), (torch.from_numpy(rows[0]),), Samples({"image": rows}), ("image",))


def test_silu_and_sigmoid_compute_in_integers_at_the_only_scale_that_runtimes_take():
    program, context, _ = gated()
    quantized = QuantizeStatic().apply(program, context)
    assert operators(quantized)["aten.silu.default"] + operators(quantized)["aten.silu_.default"] == 0
    sigmoids = nodes(quantized, lambda name: "sigmoid" in name)
    assert len(sigmoids) == 3
    for sigmoid in sigmoids:
        assert "dequantize_per_tensor" in str(sigmoid.args[0].target)
        (quantize,) = sigmoid.users
        assert quantize.args[1:3] == (1 / 256, -128)
    assert sqnr_db(answers(program, context.calibration), answers(quantized, context.calibration)) > 25


@pytest.mark.parametrize("ranges", ["histogram", "min-max"])
def test_what_a_sigmoid_answers_is_quantized_once(ranges: str):
    program, context, _ = gated()
    quantized = QuantizeStatic(ranges=ranges).apply(program, context)
    twice = nodes(quantized, lambda name: "quantize_per_tensor" in name and "dequantize" not in name)
    assert not [node for node in twice if "dequantize" in str(node.args[0].target)]


def test_a_layer_that_stays_float_keeps_its_silu():
    program, context, _ = gated()
    quantized = QuantizeStatic(parts=(("first", "float32"),)).apply(program, context)
    (silu,) = nodes(quantized, lambda name: "silu" in name)
    assert "conv2d" in str(silu.args[0].target)
    assert len(nodes(quantized, lambda name: "sigmoid" in name)) == 2


class Overwritten(nn.Module):
    """SiLU in place on the first half of a tensor that is read again."""

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        value = value * 2
        torch.nn.functional.silu(value[:, :2], inplace=True)
        return value


def test_silu_that_overwrites_a_part_of_a_tensor_stays_as_it_is():
    module = torch.export.export(Overwritten(), (torch.randn(1, 4),)).module()
    assert take_silu_apart(module, lambda node: QuantizeStatic().own()) == 0
    value = torch.randn(1, 4)
    assert torch.equal(module(value), Overwritten()(value))

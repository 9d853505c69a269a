"""Operators that only move numbers keep the scale of what they take, so that integers stay integers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from quantize_context import answers, nodes, operators, program_of, sqnr_db
from torch import nn
from torch.nn import functional

from edgeship.toolchain.api import FLOAT32, W8A8_STATIC, Samples
from edgeship.toolchain.passes.quantize import QuantizeStatic
from edgeship.toolchain.quantization.sharing import split_by_slices

pytestmark = pytest.mark.heavy


class Mover(nn.Module):
    """Channel shuffle with a split, padding, resizing both ways, and pooling in one dimension: [1, 3, 8, 8]."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.part = nn.Conv2d(4, 4, 1)
        self.wide = nn.Conv2d(8, 6, 3)
        self.line = nn.Conv1d(6, 6, 3)
        self.head = nn.Linear(6, 5)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        left, right = torch.relu(self.stem(image)).chunk(2, 1)
        joined = torch.cat([left, self.part(right)], 1)
        shuffled = joined.view(1, 2, 4, 8, 8).transpose(1, 2).contiguous().view(1, 8, 8, 8)
        resized = functional.interpolate(functional.pad(shuffled, (1, 1, 1, 1)), scale_factor=2.0)
        resized = functional.interpolate(self.wide(resized), size=(9, 9), mode="bilinear")
        pooled = functional.max_pool1d(self.line(resized.flatten(2)), 4, 2, 1)
        return self.head(functional.max_pool1d(pooled, 3).mean(2))


def images() -> np.ndarray:
    return np.random.default_rng(1).normal(0, 1, (16, 1, 3, 8, 8)).astype(np.float32)


def test_what_moves_integers_keeps_their_scale_and_the_answers():
    rows = images()
    program, context, _ = program_of(Mover(), (torch.from_numpy(rows[0]),), Samples({"image": rows}), ("image",))
    quantized = QuantizeStatic(ranges="min-max").apply(program, context)
    found = operators(quantized)
    assert found["aten.slice.Tensor"] == 2
    assert found["aten.max_pool1d.default"] == 2
    movers = ("aten.slice", "aten.contiguous", "aten.clone", "aten.pad", "aten.upsample", "aten.max_pool1d")
    moving = nodes(quantized, lambda name: name.startswith(movers))
    assert len(moving) >= 8
    for node in moving:
        before, (after,) = node.args[0], node.users
        assert str(before.target).startswith("quantized_decomposed.dequantize"), node
        assert str(after.target).startswith("quantized_decomposed.quantize"), node
        assert before.args[1:3] == after.args[1:3]
    assert sqnr_db(answers(program, context.calibration), answers(quantized, context.calibration)) > 30


def test_a_split_is_written_as_slices_and_stays_where_layers_stay_float():
    model, image = Mover(), torch.from_numpy(images()[0])
    module = torch.export.export(model, (image,)).module()
    assert split_by_slices(module, lambda node: FLOAT32) == 0
    assert split_by_slices(module, lambda node: W8A8_STATIC) == 2
    assert torch.equal(module(image), model(image))

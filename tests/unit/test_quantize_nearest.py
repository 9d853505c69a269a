"""Histogram or min-max: the choice follows the answers, not the ranges alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from quantize_context import answers, nodes, program_of, sqnr_db
from torch import nn

from edgeship.toolchain.api import Samples
from edgeship.toolchain.passes.quantize import QuantizeStatic

pytestmark = pytest.mark.heavy


class Layers(nn.Module):
    """A convolution, and what bounds its values or answers with the largest one: [1, 2, 48, 48]."""

    def __init__(self, bounded: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.bounded = nn.Conv2d(2, 4, 1), nn.Conv2d(4, 4, 1), bounded

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        return self.second(torch.tanh(x)) if self.bounded else self.second(x).amax((2, 3))


def spikes() -> np.ndarray:
    """Normal numbers, and one large one: [16, 1, 2, 48, 48]."""
    values = np.random.default_rng(3).normal(0, 1, (16, 1, 2, 48, 48)).astype(np.float32)
    values[2, 0, :, 5, 5] = 8
    return values


@pytest.mark.parametrize("bounded", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_rare_values_are_kept_where_the_answers_need_them(bounded: bool) -> None:
    rows = spikes()
    program, context, _ = program_of(Layers(bounded).eval(), (torch.from_numpy(rows[0]),), Samples({"x": rows}), ("x",))
    made = {way: QuantizeStatic(ranges=way).apply(program, context) for way in ("nearest", "histogram", "min-max")}
    scales = {
        way: [node.args[1] for node in nodes(found, lambda name: "quantize_per_tensor" in name)]
        for way, found in made.items()
    }
    expected = answers(program, context.calibration)
    quality = {way: sqnr_db(expected, answers(found, context.calibration)) for way, found in made.items()}
    better, worse = ("histogram", "min-max") if bounded else ("min-max", "histogram")
    assert quality[better] > quality[worse] + 1, (quality, scales)
    assert scales["nearest"] == scales[better] != scales[worse]

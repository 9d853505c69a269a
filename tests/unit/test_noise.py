"""A program's noise floor: the same every time, lower where depth multiplies rounding, and no sound file's enemy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchao.quantization.pt2e.quantize_pt2e  # noqa: F401  (registers the operators)
from torch import nn

from edgeship.toolchain.floor import Floor, OutputFloor
from edgeship.toolchain.model.program import flatten
from edgeship.toolchain.quantization.noise import _enough, floor

pytestmark = pytest.mark.heavy
Q = torch.ops.quantized_decomposed


class Rounded(nn.Module):
    """Layers with int8 activations between them, as PT2E writes them."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleList(nn.Linear(32, 32, bias=False) for _ in range(depth))
        for layer in self.layers:
            nn.init.orthogonal_(layer.weight, gain=1.4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = Q.quantize_per_tensor(x, 0.03, 0, -128, 127, torch.int8)
            x = torch.relu(layer(Q.dequantize_per_tensor(x, 0.03, 0, -128, 127, torch.int8)))
        return x


def measured(module: nn.Module, half: bool = False, together: int = 1) -> Floor:
    torch.manual_seed(1)
    rows = [{"x": torch.randn(1, 32).numpy()} for _ in range(16)]
    batch = torch.export.Dim("batch", min=1, max=16)
    example = torch.randn(2, 32)
    program = torch.export.export(
        flatten(module.eval(), 1), (example,), dynamic_shapes={"args": ({0: batch},)}
    ).module()
    expected = {"y": np.stack([program(torch.from_numpy(row["x"]))[0].detach().numpy() for row in rows])}
    return floor(program, rows, expected, expected, half, together)


def test_the_floor_is_the_same_every_time_and_lower_in_a_deeper_network() -> None:
    shallow, deep = measured(Rounded(2)), measured(Rounded(12))
    assert shallow == measured(Rounded(2))
    assert (shallow.runs, shallow.samples) == (8, 16)  # which lie far apart in so small a network
    assert 30 < shallow.sqnr_db < 70
    assert deep.sqnr_db < shallow.sqnr_db - 3
    assert deep.outputs["y"].worst_sample_db <= deep.sqnr_db


def test_runs_end_when_they_agree_and_a_program_that_is_exact_needs_one() -> None:
    def of(*runs: tuple[float, float]) -> bool:
        return _enough([{"y": OutputFloor(sqnr_db=a, worst_sample_db=b, varying_db=a)} for a, b in runs])

    assert not of()
    assert not of((40, 35), (40, 35), (40, 35))
    assert of((40, 35), (40.4, 34), (40.2, 35), (40.2, 35))
    assert not of((40, 35), (40.6, 35), (40.2, 35), (40.2, 35))
    assert not of((40, 35), (40, 33), (40, 35), (40, 35))
    assert of((120, 105))
    assert not of((120, 95))


def test_samples_may_be_run_together() -> None:
    apart, together = measured(Rounded(4)), measured(Rounded(4), together=16)
    assert together.sqnr_db == pytest.approx(apart.sqnr_db, abs=2)


def test_half_precision_has_a_lower_floor_than_float32() -> None:
    network = nn.Sequential(nn.Linear(32, 32), nn.GELU(), nn.Linear(32, 8), nn.Softmax(-1))
    exact = measured(network)
    assert (exact.sqnr_db > 100, exact.runs) == (True, 1)
    assert 45 < measured(network, half=True).sqnr_db < 75


def test_half_precision_rounds_what_it_is_given() -> None:
    class Given(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return Q.quantize_per_tensor(x, 0.02, 0, -128, 127, torch.int8).float()

    assert measured(Given(), half=True).sqnr_db < measured(Given()).sqnr_db - 3


@pytest.mark.parametrize("half", [False, True])
def test_the_infinities_of_a_mask_stay_what_they_are(half: bool) -> None:
    class Masked(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x.masked_fill(x > 1, -torch.inf) * 1.5).softmax(-1)

    assert measured(Masked(), half).sqnr_db > 45


def test_an_output_that_is_zero_everywhere_does_not_set_the_limit() -> None:
    class Dead(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * 0

    assert measured(Dead()).sqnr_db == 200


def test_whole_numbers_in_float_are_left_alone() -> None:
    class Ids(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            ids = torch.round(x)  # of what comes in, undisturbed
            return ((ids + 1 == ids.roll(1, -1)) | (ids > 50)).float() + x

    assert measured(Ids()).sqnr_db > 100

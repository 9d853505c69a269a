"""What a program quantizes for one reader alone, or keeps in float, is no other reader's in a .tflite."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from litert_files import make, run
from quantize_context import answers, sqnr_db

from edgeship.targets.litert.inputs import grids
from edgeship.toolchain.api import W8A8_STATIC, Context, Samples, Signature, Tensor, export
from edgeship.toolchain.model.program import flatten
from edgeship.toolchain.passes.quantize import QuantizeStatic

pytestmark = pytest.mark.heavy


class Halves(torch.nn.Module):
    """A small and a large part of one input, a layer for each."""

    def __init__(self) -> None:
        super().__init__()
        self.small, self.large = torch.nn.Linear(8, 6), torch.nn.Linear(8, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, second = x.unbind(1)
        return torch.cat((self.small(first), self.large(second)), 1)


def test_each_part_of_an_input_is_quantized_once(tmp_path: Path) -> None:
    torch.manual_seed(0)
    data = torch.randn(32, 1, 2, 8) * torch.tensor([0.1, 1.0]).reshape(1, 1, 2, 1)
    signature = Signature(
        (Tensor(name="x", dtype="float32", shape=(1, 2, 8)),), (Tensor(name="output", dtype="float32", shape=(1, 12)),)
    )
    samples = Samples({"x": data.numpy()})
    context = Context(signature, example=(data[0],), calibration=samples)
    program = QuantizeStatic().apply(export(flatten(Halves().eval(), 1), (data[0],), signature), context)
    assert len(grids(program)) == 2
    _, file = make(program, context, W8A8_STATIC, tmp_path)
    expected, answer = answers(program, samples), run(file, samples)
    assert sqnr_db(expected[..., :6], answer[..., :6]) > 40
    assert sqnr_db(expected[..., 6:], answer[..., 6:]) > 40


class Cell(torch.nn.Module):
    """A state that is answered in float, and read by a quantized layer."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.head = torch.nn.GRUCell(8, 8), torch.nn.Linear(8, 4)

    def forward(self, x: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        state = self.cell(x, state)
        return state, self.head(state)


def test_a_state_stays_float_beside_a_quantized_layer_that_reads_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    data = torch.randn(2, 16, 1, 8)
    given = tuple(Tensor(name=name, dtype="float32", shape=(1, 8)) for name in ("x", "state"))
    answered = tuple(Tensor(name=name, dtype="float32", shape=(1, size)) for name, size in (("output", 8), ("y", 4)))
    samples = Samples({"x": data[0].numpy(), "state": data[1].tanh().numpy()})
    example, signature = (data[0, 0], data[1, 0]), Signature(given, answered)
    context = Context(signature, example=example, calibration=samples)
    program = QuantizeStatic().apply(export(flatten(Cell().eval(), 2), example, signature), context)
    _, file = make(program, context, W8A8_STATIC, tmp_path)
    assert sqnr_db(answers(program, samples), run(file, samples)) > 100

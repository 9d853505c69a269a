"""A converter's failure names the operator, its module and the line it stands in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from quantize_context import program_of
from torch import nn

from edgeship.targets.coreai.target import CoreAI
from edgeship.toolchain.api import Context, ExportError, Samples, conversion_error, folded
from edgeship.toolchain.model import culprit
from edgeship.toolchain.passes.quantize import QuantizeStatic

if TYPE_CHECKING:
    from torch.export import ExportedProgram

pytestmark = pytest.mark.heavy


class Ceiling(nn.Module):
    """A pool that rounds up (Core AI's converter stops at it and names nothing), with a branch around it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.pool = nn.Conv2d(3, 8, 3, padding=1), nn.AvgPool2d(3, 2, ceil_mode=True)
        self.body, self.head = nn.Conv2d(8, 8, 3), nn.Linear(8, 8)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.stem(image))
        around = x * 2
        x = torch.relu(self.body(self.pool(x)))
        largest, _ = x.flatten(2).max(2)
        return self.head(largest + around.mean((2, 3)))


def given(tmp_path: Path, batch: int | str = 1) -> tuple[ExportedProgram, Context]:
    """The program as the store gives it back."""
    torch.manual_seed(0)
    images = np.random.default_rng(0).standard_normal((4, 1, 3, 16, 16)).astype(np.float32)
    program, context, _ = program_of(
        Ceiling().eval(), (torch.from_numpy(images[0]),), Samples({"image": images}), ("image",), batch
    )
    torch.export.save(program, tmp_path / "model.pt2")
    return torch.export.load(tmp_path / "model.pt2"), context


class Stops:
    """A converter that cannot take one operator and says nothing of it."""

    def __init__(self, *operators: str) -> None:
        self.operators, self.asked = operators, 0

    def __call__(self, program: ExportedProgram) -> None:
        self.asked += 1
        if {str(node.target) for node in program.graph.nodes} & set(self.operators):
            raise IndexError(f"tuple index {self.asked} out of range")

    def error(self, program: ExportedProgram) -> Exception:
        with pytest.raises(IndexError) as caught:
            self(program)
        return caught.value


class Products(nn.Module):
    """Core AI's converter has no running product."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.cumprod(torch.sigmoid(image), 3)


def test_core_ai_names_the_operator_that_it_cannot_take(tmp_path: Path) -> None:
    image = torch.rand(1, 3, 4, 4)
    program, context, _ = program_of(Products(), (image,), Samples({"image": image[None].numpy()}), ("image",), 1)
    with pytest.raises(ExportError) as caught:
        CoreAI().export(program, tmp_path, context)
    message = str(caught.value)
    assert message.startswith("coreai-torch cannot convert aten.cumprod.default")
    assert "return torch.cumprod(torch.sigmoid(image), 3)" in message
    assert "operators" in caught.value.hint


@pytest.mark.parametrize("batch", [1, "batch"])
@pytest.mark.parametrize("quantized", [False, True])
def test_the_operator_is_found_in_few_conversions(tmp_path: Path, batch: int | str, quantized: bool) -> None:
    program, context = given(tmp_path, batch)
    if quantized:
        program = folded(QuantizeStatic().apply(program, context), context.signature, context.example)
    stops = Stops("aten.max.dim", "aten.linear.default")
    error = conversion_error("it", stops.error(program), program, context, stops)
    assert "aten.max.dim (test_culprit.py:" in str(error)
    assert stops.asked <= 8


def test_an_operator_that_the_error_names_needs_no_search(tmp_path: Path) -> None:
    program, context = given(tmp_path)
    stops = Stops()
    error = conversion_error("it", ValueError("no function for op 'linear' found"), program, context, stops, "do this")
    assert str(error).startswith("it cannot convert aten.linear.default at head (test_culprit.py:")
    assert error.hint == "do this"
    assert stops.asked == 0


def test_what_no_part_of_the_program_repeats_keeps_its_own_words(tmp_path: Path) -> None:
    program, context = given(tmp_path)
    error = conversion_error("it", RuntimeError("the disk is full"), program, context, Stops())
    assert str(error) == "it cannot convert the program: the disk is full"


def test_a_search_that_fails_hides_nothing(tmp_path: Path) -> None:
    _, context = given(tmp_path)
    error = conversion_error("it", RuntimeError("index out of range"), None, context, Stops())  # type: ignore[arg-type]
    assert str(error) == "it cannot convert the program: index out of range"


def test_the_part_that_was_cut_off_computes_what_it_did(tmp_path: Path) -> None:
    program, context = given(tmp_path)
    part = culprit.cut_off(program, "avg_pool2d", context)
    around, pooled = part.module()(*context.example)
    net = program.module()
    conv = torch.relu(nn.functional.conv2d(*context.example, net.model.stem.weight, net.model.stem.bias, padding=1))
    assert torch.allclose(around, conv * 2)
    assert torch.allclose(pooled, nn.functional.avg_pool2d(conv, 3, 2, ceil_mode=True))

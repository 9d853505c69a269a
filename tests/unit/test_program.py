"""Modules become programs: what torch.export cannot take is explained by place and remedy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from edgeship.toolchain.api import ExportError, Signature, Tensor, export
from edgeship.toolchain.model.program import flatten, named_outputs


class Branching(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 0:
            return x * 2
        return x


class Numpy(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(x.numpy() * 2)


class FixesSize(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(2, 4) if x.shape[0] == 2 else x + 1


class Net(nn.Module):
    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.encoder = nn.ModuleDict({"layer": nn.Sequential(nn.Linear(4, 4), part)})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.encoder["layer"](x)  # type: ignore[no-any-return]


def signature(size: int | str = 2) -> Signature:
    tensor = Tensor(name="x", dtype="float32", shape=(size, 4))
    return Signature((tensor,), (tensor,), {"batch": (1, 8)} if isinstance(size, str) else {})


@pytest.mark.parametrize(
    ("part", "line", "remedy"),
    [(Branching(), "if x.sum() > 0:", "torch.cond"), (Numpy(), "torch.from_numpy(x.numpy() * 2)", "torch operators")],
)
def test_the_module_the_line_and_the_remedy_are_named(part: nn.Module, line: str, remedy: str) -> None:
    with pytest.raises(ExportError) as caught:
        export(flatten(Net(part), 1).eval(), (torch.rand(2, 4),), signature())
    assert "(in encoder.layer.1)" in str(caught.value)
    assert "test_program.py:" in str(caught.value)
    assert line in str(caught.value)
    assert remedy in caught.value.hint


def test_a_size_the_model_fixes_is_told_from_a_dynamic_one() -> None:
    with pytest.raises(ExportError) as caught:
        export(flatten(Net(FixesSize()), 1).eval(), (torch.rand(2, 4),), signature("batch"))
    assert "batch" in str(caught.value)
    assert "declare the size as a number" in caught.value.hint


def test_outputs_of_every_kind_are_flattened_in_order_with_their_names() -> None:
    a, b, c = (torch.full((1,), float(i)) for i in range(3))
    nested: Any = {"boxes": a, "more": (b, None, [c])}
    assert [(name, float(value)) for name, value in named_outputs(nested)] == [
        ("boxes", 0.0),
        ("more_0", 1.0),
        ("more_2_0", 2.0),
    ]
    assert [name for name, _ in named_outputs(a)] == ["output"]
    with pytest.raises(ExportError, match="answers a str"):
        named_outputs({"a": "text"})


def test_a_stored_program_brings_the_library_of_its_operators(tmp_path: Path) -> None:
    from torchvision.ops import DeformConv2d

    example = (torch.rand(1, 2, 4, 4), torch.rand(1, 18, 4, 4))
    torch.export.save(torch.export.export(DeformConv2d(2, 2, 3, padding=1).eval(), example), tmp_path / "model.pt2")
    load = (
        f"import pathlib, edgeship.toolchain.model.program as p; p.load(pathlib.Path({str(tmp_path / 'model.pt2')!r}))"
    )
    # in a process where nothing has imported it
    found = subprocess.run([sys.executable, "-c", load], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr

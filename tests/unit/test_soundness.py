"""Models worth converting: living layers, no batch statistics, a program that answers what its model does."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable

import pytest
import torch
from torch import nn

from edgeship.toolchain.errors import ExportError
from edgeship.toolchain.model.program import flatten
from edgeship.toolchain.model.soundness import check_batch_statistics, check_branches, check_program, switched_off


class Net(nn.Module):
    """A residual branch, a layer scale, a token, a bias: what starts at or near zero."""

    def __init__(self, norm: float, scale: float) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.layer_scale = nn.Parameter(torch.full((3, 1, 1), scale))
        self.token = nn.Parameter(torch.zeros(1, 3, 1, 1))
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]
        nn.init.constant_(self.norm.weight, norm)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image + self.token + self.layer_scale * self.norm(self.conv(image))


def test_zero_norms_and_tiny_layer_scales_are_named() -> None:
    assert switched_off(flatten(Net(0, 1e-6).eval(), 1)) == ["layer_scale", "norm"]
    assert switched_off(flatten(Net(0, 1.0).eval(), 1)) == ["norm"]


def test_one_living_channel_a_zero_bias_and_a_zero_token_raise_no_alarm() -> None:
    net = Net(1, 0.1)
    with torch.no_grad():
        net.norm.weight[:2] = 0
    assert switched_off(flatten(net.eval(), 1)) == []


def test_a_tiny_value_along_one_axis_counts_whatever_it_is_called() -> None:
    net = Net(1, 0.1)
    net.other = nn.Parameter(torch.full((3,), 1e-5))
    assert switched_off(flatten(net.eval(), 1)) == ["other"]


def test_an_exported_program_keeps_the_names_and_many_are_counted() -> None:
    net = nn.Sequential(*(Net(0, 1.0) for _ in range(6))).eval()
    program = torch.export.export(net, (torch.randn(1, 3, 4, 4),)).module()
    said: list[str] = []
    check_branches(flatten(program, 1), said.append)
    assert said[0].startswith("untrained? 0.norm, 1.norm, 2.norm, 3.norm and 2 more multiply their branch")


class Exported(nn.Module):
    """Answers something else while it is exported."""

    def __init__(self, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self._change = change

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        return (self._change(x) if torch.compiler.is_exporting() else x.clone(),)


@pytest.mark.parametrize(
    ("change", "dtype", "apart"),
    [
        (lambda x: x * (1 + 1e-6), torch.float32, ""),
        (lambda x: x * 1.001, torch.float32, "lies 60.0 dB from it, at least 80 are expected"),
        (lambda x: x * 1.001, torch.float16, ""),
        (lambda x: x.unsqueeze(0), torch.float32, "is torch.float32 [1, 1, 200], not torch.float32 [1, 200]"),
        (lambda x: x + (torch.arange(200) == 7), torch.int64, ""),
        (lambda x: x + (torch.arange(200) < 20), torch.int64, "differs in 10% of its values"),
    ],
)
def test_a_program_answers_what_its_model_does(
    change: Callable[[torch.Tensor], torch.Tensor], dtype: torch.dtype, apart: str
) -> None:
    x, net = torch.linspace(1, 100, 200).to(dtype)[None], Exported(change)
    program = torch.export.export(net, (x,))
    with pytest.raises(ExportError, match=re.escape(f"output 'y' {apart}")) if apart else contextlib.nullcontext():
        check_program(net, program, (x,), ["y"])


def told(module: nn.Module) -> list[str]:
    said: list[str] = []
    check_batch_statistics(torch.export.export(module.eval(), (torch.randn(2, 3, 4, 4),)), said.append)
    return said


def test_batch_norm_by_function_with_the_statistics_of_the_batch_is_named() -> None:
    class ByFunction(nn.Module):
        def __init__(self, training: bool) -> None:
            super().__init__()
            self.norm, self.training_ = nn.BatchNorm2d(3), training

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            mean, var = (None, None) if self.training_ else (self.norm.running_mean, self.norm.running_var)
            return nn.functional.batch_norm(x, mean, var, self.norm.weight, self.norm.bias, self.training_)

    [warning] = told(ByFunction(True))
    assert "takes its statistics from the batch (return nn.functional.batch_norm" in warning
    assert told(ByFunction(False)) == []


def test_norms_that_take_no_other_sample_raise_no_alarm() -> None:
    assert told(nn.Sequential(nn.BatchNorm2d(3), nn.InstanceNorm2d(3), nn.GroupNorm(1, 3))) == []

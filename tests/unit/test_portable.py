"""Programs in operators that every converter takes: the same numbers, and none of the refused operators left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import deform_conv2d

from edgeship.toolchain.api import Signature
from edgeship.toolchain.artifact import Tensor as Named
from edgeship.toolchain.model.program import export, load, save


class Net(nn.Module):
    """A layer before what is to be tried."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function
        self.register_buffer("window", torch.hann_window(32))
        self.layer = nn.Linear(256, 256)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, self.layer(x))


def _deformed(net: Net, x: Tensor) -> Tensor:
    """Groups, groups of offsets, a mask; places outside of the image."""
    twice, weight = x.repeat(1, 2), net.layer.weight[:6, :4].reshape(6, 2, 2, 1)
    offset, mask = 3 * twice[:, :320].view(1, 8, 5, 8), twice[:, :160].view(1, 4, 5, 8).sigmoid()
    return deform_conv2d(x.view(1, 4, 8, 8), offset, weight, None, (2, 1), (1, 0), (1, 1), mask)


CASES: dict[str, tuple[Callable[[Net, Tensor], Tensor], str]] = {
    "alias": (lambda net, x: x.detach() * 2, "detach"),
    "new_ones": (lambda net, x: x * x.new_ones(3, 1) + x.new_full((1,), 2), "new_"),
    "diff": (lambda net, x: torch.diff(x, n=2, prepend=x[:, :1], append=x[:, :1]), "diff"),
    "roll": (lambda net, x: x.view(16, 16).roll((-3, 20, 16), (1, 0, -1)), "roll"),
    "im2col": (lambda net, x: F.unfold(x.view(1, 2, 8, 16), (3, 2), 2, 1, (1, 2)), "im2col"),
    "few windows": (lambda net, x: x.unfold(1, 8, 3), "unfold"),
    "long windows": (lambda net, x: x.view(1, 128, 2).unfold(1, 80, 12), "unfold"),
    "as_strided, contiguous": (lambda net, x: x.as_strided((4, 64), (64, 1)), "as_strided"),
    "as_strided, overlapping": (lambda net, x: x.as_strided((1, 10, 20), (256, 12, 1)), "as_strided"),
    "as_strided, permuted": (lambda net, x: x.view(16, 16).t().as_strided((8, 32), (1, 8)), "as_strided"),
    "magnitude": (lambda net, x: torch.stft(x, 32, 8, window=net.window, return_complex=True).abs(), "stft"),
    "parts": (lambda net, x: torch.view_as_real(torch.stft(x, 32, 8, return_complex=True)[:, 1:].mT), "stft"),
    "affine grid": (lambda net, x: F.affine_grid(x[:, :6].view(1, 2, 3), [1, 3, 5, 8], align_corners=True), "affine"),
    "nearest": (lambda net, x: F.interpolate(x.view(1, 2, 8, 16), size=(13, 16)), "nearest"),
    "nearest by a factor": (lambda net, x: F.interpolate(x.view(1, 2, 8, 16), scale_factor=1.6), "nearest"),
    "antialias": (
        lambda net, x: F.interpolate(x.view(1, 2, 8, 16), size=(5, 6), mode="bilinear", antialias=True),
        "_aa",
    ),
    "trunc": (lambda net, x: torch.fmod(3 * x, 1.3) + (2 * x).trunc() + torch.fmod(x, x.flip(1).abs() + 1), "fmod"),
    "hypot": (lambda net, x: torch.hypot(x, x.flip(1)), "hypot"),
    "cdist": (lambda net, x: torch.cdist(x.view(1, 8, 32), x.flip(1).view(1, 8, 32)), "cdist"),
    "median": (lambda net, x: x.view(8, 32).median(1).values, "median"),
    "diagonal": (lambda net, x: x.view(1, 4, 8, 8).diagonal(1, 3, 2), "diagonal"),
    "or": (lambda net, x: (((x > 0.3) | (x < -0.3)) ^ (x > 1)).float(), "__or__"),
    "spectrum": (lambda net, x: (torch.fft.rfft(x) * torch.fft.rfft(x.flip(1))).real, "fft"),
    "deformable": (_deformed, "deform_conv2d"),
    "phase": (lambda net, x: torch.fft.rfft(x + 3).angle().cos(), "fft"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_converters_refuse_is_written_with_what_they_take(case: str) -> None:
    function, refused = CASES[case]
    torch.manual_seed(0)
    net, x = Net(function).eval(), torch.randn(1, 256)
    assert any(refused in str(node.target) for node in torch.export.export(net, (x,)).graph.nodes)
    program = export(net, (x,), Signature((Named(name="x", dtype="float32", shape=(1, 256)),), ()))
    targets = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert not any(refused in target for target in targets), targets
    for given in (x, torch.randn(1, 256)):
        assert torch.allclose(program.module()(given), net(given), atol=2e-5)


def test_a_constant_made_in_forward_is_exported_again_once_it_was_stored(tmp_path: Path) -> None:
    net, x = Net(lambda net, x: x * torch.tensor([[0.5], [2.0]])).eval(), torch.randn(1, 256)
    signature = Signature((Named(name="x", dtype="float32", shape=(1, 256)),), ())
    save(export(net, (x,), signature), tmp_path / "model.pt2")
    again = export(load(tmp_path / "model.pt2").module(), (x,), signature)
    assert torch.equal(again.module()(x), net(x))


def test_a_complex_answer_stays_complex() -> None:
    net, x = Net(lambda net, x: torch.fft.rfft(x)).eval(), torch.randn(1, 256)
    program = export(net, (x,), Signature((Named(name="x", dtype="float32", shape=(1, 256)),), ()))
    assert program.module()(x).is_complex()


def test_what_is_rewritten_still_belongs_to_its_layer() -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Net(CASES["diff"][0])

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x)

    signature = Signature((Named(name="x", dtype="float32", shape=(1, 256)),), ())
    program = export(Outer().eval(), (torch.randn(1, 256),), signature)
    made = next(node for node in program.graph.nodes if node.target is torch.ops.aten.sub.Tensor)
    assert list(made.meta["nn_module_stack"].values())[-1][0] == "inner"


def test_limits_written_as_integers_become_floats() -> None:
    signature = Signature((Named(name="x", dtype="float32", shape=(1, 256)),), ())
    program = export(nn.Hardtanh(-2, 2), (torch.randn(1, 256),), signature)
    (limited,) = [node for node in program.graph.nodes if node.target is torch.ops.aten.hardtanh.default]
    assert [type(limit) for limit in limited.args[1:]] == [float, float]

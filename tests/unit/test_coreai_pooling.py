"""Pools that coreai-torch averages wrongly or stops at: the file answers what torch does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from test_coreai_target import answers, made, sqnr_db
from torch import Tensor, nn

from edgeship.targets.coreai.upstream import read_asset
from edgeship.toolchain.api import FLOAT32, W8A8_STATIC, QuantSpec, explicit_pools
from edgeship.toolchain.model.rewriting import rewrite

pytestmark = pytest.mark.heavy


class Pools(nn.Module):
    """One of each kind behind a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.uncounted = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        self.up = nn.AvgPool2d(3, 2, 1, ceil_mode=True)
        self.most = nn.MaxPool2d(3, 2, ceil_mode=True)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.first(image)
        return self.uncounted(x), self.up(x), self.most(x)


@pytest.mark.parametrize(("spec", "limit"), [(FLOAT32, 100), (W8A8_STATIC, 25)])
def test_padding_that_does_not_count_and_sizes_rounded_up(spec: QuantSpec, limit: float, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net, image = Pools().eval(), torch.randn(1, 3, 12, 13) + 1
    artifact, program = made(net, (image,), ["image"], tmp_path, spec)
    got = answers(artifact, tmp_path, (image,))
    for index, want in enumerate(program(image)):
        assert sqnr_db(want, got[f"output_{index}"]) > limit, index


@pytest.mark.parametrize(
    "pool",
    [
        nn.AvgPool2d(2, 2, 1, ceil_mode=True),
        nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False),
        nn.AvgPool2d((3, 2), (1, 2), (1, 0), count_include_pad=False),
        nn.AvgPool2d(3, 3, divisor_override=4),
        nn.AvgPool1d(4, 3, 1, ceil_mode=True, count_include_pad=False),
        nn.AvgPool3d(2, 2, 1, ceil_mode=True, count_include_pad=False),
        nn.MaxPool2d(3, 2, 1, ceil_mode=True),
        nn.MaxPool1d(3, 2, ceil_mode=True),
        nn.MaxPool3d(2),
        nn.MaxPool3d((2, 3, 2), (1, 2, 2), 1, ceil_mode=True),
        nn.AdaptiveAvgPool2d(1),
        nn.AdaptiveAvgPool1d(1),
    ],
    ids=str,
)
def test_every_rewritten_pool_is_torch_s(pool: nn.Module) -> None:
    torch.manual_seed(0)
    sizes = {"1d": (14,), "2d": (10, 13), "3d": (7, 6, 9)}[type(pool).__name__[-2:]]
    x = torch.randn(1, 2, *sizes)
    module = torch.export.export(pool, (x,)).module(check_guards=False)
    assert rewrite(module, explicit_pools())
    assert not any(True in node.args[1:] for node in module.graph.nodes if "pool" in str(node.target))
    assert torch.allclose(module(x), pool(x), atol=1e-6)


def test_pools_that_the_converter_takes_are_left_alone() -> None:
    pool = nn.Sequential(nn.AvgPool2d(3, 2, 1), nn.MaxPool2d(2))
    module = torch.export.export(pool, (torch.randn(1, 2, 12, 12),)).module(check_guards=False)
    assert not rewrite(module, explicit_pools())


def test_operators_without_a_lowering_are_written_with_those_that_have_one(tmp_path: Path) -> None:
    class Lacking(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, ...]:
            grid = torch.tanh(x[:, :2].permute(0, 2, 3, 1))
            return (
                nn.functional.elu(x) + x.std(1, keepdim=True) + torch.remainder(x * 3, 1.3),
                nn.functional.grid_sample(x, grid, align_corners=False),
                x.sort(1, descending=True).values,
                nn.functional.adaptive_max_pool2d(x, (5, 3)),
                torch.logaddexp(x, torch.where(torch.isnan(x), 0, x.flip(1))),
            )

    torch.manual_seed(0)
    image = torch.randn(1, 4, 12, 13)
    artifact, program = made(Lacking().eval(), (image,), ["image"], tmp_path)
    got = answers(artifact, tmp_path, (image,))
    for index, want in enumerate(program(image)):
        assert sqnr_db(want, got[f"output_{index}"]) > 80, index


def test_an_average_of_a_tensor_with_permuted_strides_is_a_mean(tmp_path: Path) -> None:
    class Permuted(nn.Module):
        """As in networks that norm the last axis: the pool's own decomposition is a strided view of a sum."""

        def __init__(self) -> None:
            super().__init__()
            self.norm, self.pool = nn.LayerNorm(8), nn.AdaptiveAvgPool2d(1)

        def forward(self, image: Tensor) -> Tensor:
            return self.pool(self.norm(image.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))

    image = torch.randn(1, 8, 6, 5) + torch.arange(5)
    artifact, program = made(Permuted().eval(), (image,), ["image"], tmp_path, FLOAT32)
    assert sqnr_db(program(image)[0], answers(artifact, tmp_path, (image,))["output_0"]) > 100


def test_a_prelu_computes_the_layer_before_it_once(tmp_path: Path) -> None:
    torch.manual_seed(0)
    image = torch.randn(1, 4, 6, 5)
    net = nn.Sequential(nn.Conv2d(4, 8, 3), nn.PReLU(8)).eval()
    artifact, program = made(net, (image,), ["image"], tmp_path)
    assert [each.kind for each in read_asset(tmp_path / artifact.file).operations].count("conv2d") == 1
    assert sqnr_db(program(image)[0], answers(artifact, tmp_path, (image,))["output_0"]) > 100

"""Max pools that coremltools stops at: the same numbers come out of operators that it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from test_coreml_target import answers, context_of, made, sqnr_db
from torch import nn

from edgeship.targets.coreml.pooling import decompositions
from edgeship.targets.coreml.target import CoreML
from edgeship.toolchain.api import FLOAT32, W8A8_STATIC, ExportError, QuantSpec

pytestmark = pytest.mark.heavy


class Pools(nn.Module):
    """A convolution before what is to be tried."""

    def __init__(self, convolution: nn.Module, pools: Callable[[torch.Tensor], tuple[torch.Tensor, ...]]) -> None:
        super().__init__()
        self.convolution = convolution
        self.pools = pools

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.pools(self.convolution(x))


def flat_pools(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    values, _ = F.max_pool2d(x, 2, return_indices=True)
    return values, F.max_pool2d(x, 3, 2, padding=1, dilation=2, ceil_mode=True)


def deep_pools(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    values, _ = F.max_pool3d(x, 2, return_indices=True)
    return values, F.adaptive_max_pool3d(x, (3, 1, 2)), F.max_pool3d(x, 2, 1, dilation=2)


def flat_net() -> Pools:
    torch.manual_seed(0)
    return Pools(nn.Conv2d(3, 8, 3, padding=1), flat_pools).eval()


@pytest.mark.parametrize(("spec", "limit"), [(FLOAT32, 100), (W8A8_STATIC, 25)])
def test_pools_without_stride_and_with_dilation_become_core_ml(spec: QuantSpec, limit: int, tmp_path: Path) -> None:
    net, image = flat_net(), torch.randn(1, 3, 11, 12)
    artifact = made(
        net, replace(context_of(net, (image,), ["image"]), spec=spec), tmp_path, CoreML(precision="float32")
    )
    got = answers(artifact, tmp_path, [{"image": image.numpy()}])[0]
    for index, want in enumerate(net(image)):
        assert sqnr_db(want, got[f"output_{index}"]) > limit


def test_pools_in_three_dimensions_become_core_ml(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net, volume = Pools(nn.Conv3d(2, 4, 3, padding=1), deep_pools).eval(), torch.randn(1, 2, 7, 6, 8)
    artifact = made(net, context_of(net, (volume,), ["volume"]), tmp_path, CoreML(precision="float32"))
    got = answers(artifact, tmp_path, [{"volume": volume.numpy()}])[0]
    for index, want in enumerate(net(volume)):
        assert sqnr_db(want, got[f"output_{index}"]) > 100


def test_indices_that_are_used_are_an_error_that_names_the_pool(tmp_path: Path) -> None:
    net = Pools(nn.Conv2d(3, 8, 3), lambda x: F.max_pool2d(x, 2, return_indices=True)).eval()
    with pytest.raises(ExportError, match="max_pool2d_with_indices"):
        made(net, context_of(net, (torch.randn(1, 3, 12, 12),), ["image"]), tmp_path, CoreML())


def test_every_dilated_pool_keeps_its_sizes_and_numbers() -> None:
    image = torch.randn(1, 2, 11, 14)
    cases = [(2, None, 0, False), (3, 2, 1, True), (2, 3, 1, True), (3, 3, 1, False), (3, 1, 0, True)]
    for window, stride, padding, ceil_mode in cases:
        pool = nn.MaxPool2d(window, stride, padding, dilation=2, ceil_mode=ceil_mode)
        program = torch.export.export(pool, (image,))
        rewritten = program.run_decompositions(decompositions(program))
        assert not any("max_pool" in str(node.target) for node in rewritten.graph.nodes)
        assert torch.equal(rewritten.module()(image), pool(image)), (window, stride, padding, ceil_mode)


def test_adaptive_windows_that_overlap_are_torch_s() -> None:
    volume = torch.randn(1, 2, 7, 5, 8)
    for sizes in ((1, 1, 1), (3, 2, 5), (7, 4, 3)):
        pool = nn.AdaptiveMaxPool3d(sizes)
        program = torch.export.export(pool, (volume,))
        rewritten = program.run_decompositions(decompositions(program))
        assert torch.equal(rewritten.module()(volume), pool(volume)), sizes


def test_pools_that_the_converter_takes_are_left_alone() -> None:
    program = torch.export.export(nn.MaxPool2d(3, 2, padding=1, ceil_mode=True), (torch.randn(1, 2, 9, 9),))
    assert decompositions(program) == {}

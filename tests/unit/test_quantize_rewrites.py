"""How a program is rewritten before it is quantized: identities, lone batch norms, factors per channel, averages."""

from __future__ import annotations

import operator

import numpy as np
import pytest
import torch
from quantize_context import answers, nodes, operators, program_of, sqnr_db
from torch import nn

from edgeship.toolchain.api import FLOAT32, W8A8_STATIC, Samples
from edgeship.toolchain.passes.quantize import QuantizeStatic
from edgeship.toolchain.quantization.channels import fold_affines
from edgeship.toolchain.quantization.identities import drop_identities

pytestmark = pytest.mark.heavy


def everything(node: torch.fx.Node):
    return W8A8_STATIC


def nothing(node: torch.fx.Node):
    return FLOAT32


class Norms(nn.Module):
    """Batch norms behind no convolution, in two and one dimensions, and their like written out: [1, 3, 12, 12]."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 8, 3)
        self.norms = nn.ModuleList([nn.BatchNorm2d(8), nn.BatchNorm1d(8)])
        self.scale = nn.Parameter(torch.rand(8, 1, 1) + 0.5)
        self.shift = nn.Parameter(torch.randn(1, 8, 1, 1))
        self.layer = nn.Linear(8, 8)
        self.gamma = nn.Parameter(torch.rand(8) + 0.3)
        self.head = nn.Linear(8, 6)
        for norm in self.norms:
            norm.momentum = 0.5
        self.train()
        for _ in range(10):
            self(torch.randn(16, 3, 12, 12) * 2 + 1)
        self.eval()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        value = self.norms[0](torch.relu(self.stem(image)))
        value = self.norms[1](torch.relu(value).flatten(2)).unflatten(2, (10, 10))
        value = torch.relu(value) * self.scale + self.shift
        inner = self.layer(value.permute(0, 2, 3, 1)).permute(0, 3, 1, 2) * self.gamma.reshape(1, -1, 1, 1)
        return self.head((value + inner).mean((2, 3)))


def images() -> np.ndarray:
    return np.random.default_rng(1).normal(1, 2, (24, 1, 3, 12, 12)).astype(np.float32)


def test_factors_and_terms_per_channel_join_a_layer_or_become_a_depthwise_convolution():
    model, image = Norms(), torch.from_numpy(images()[0])
    module = torch.export.export(model, (image,)).module()
    assert fold_affines(module, nothing) == 0
    assert fold_affines(module, everything) == 5
    count = [str(node.target) for node in module.graph.nodes]
    assert count.count("aten.conv2d.default") == 3  # the stem, the first norm, scale and shift
    assert count.count("aten.conv1d.default") == 1
    assert count.count("aten.mul.Tensor") + count.count("aten.batch_norm.default") == 0
    torch.testing.assert_close(module(image), model(image), rtol=1e-5, atol=1e-5)


def test_their_quantized_program_is_as_good_as_the_network():
    rows = images()
    program, context, _ = program_of(Norms(), (torch.from_numpy(rows[0]),), Samples({"image": rows}), ("image",))
    quantized = QuantizeStatic(ranges="min-max").apply(program, context)
    assert operators(quantized)["quantized_decomposed.quantize_per_channel.default"] == 6
    assert sqnr_db(answers(program, context.calibration), answers(quantized, context.calibration)) > 30


class Shared(nn.Module):
    """A convolution whose answer is read twice, and one that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 3, 1)
        self.scale = nn.Parameter(torch.rand(3, 1, 1) + 0.5)
        self.register_buffer("count", torch.ones(3, 1, 1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        once = self.conv(image)
        twice = self.conv(once * self.scale) * self.scale * self.count
        self.count.add_(1)
        return once + twice * torch.linspace(1, 2, 4)


def test_only_what_nothing_else_reads_or_overwrites_is_folded():
    image = torch.randn(1, 3, 4, 4)
    module = torch.export.export(Shared(), (image,)).module()
    fold_affines(module, everything)
    model = Shared()
    for _ in range(2):
        torch.testing.assert_close(module(image), model(image), rtol=1e-5, atol=1e-5)


class Neutral(nn.Module):
    """Zeros and ones that change nothing, and those that change shape or dtype."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("one", torch.ones(1))

    def forward(self, value: torch.Tensor, count: torch.Tensor) -> tuple[torch.Tensor, ...]:
        total = 0
        for part in (value.relu(), value.sigmoid()):
            total += part
        same = (total - 0) / 1 * self.one
        wider = value.tanh() * self.one[:, None]
        return same.exp(), wider, count * 1.0, count / 1


def test_identities_leave_and_what_only_looks_like_one_stays():
    inputs = (torch.randn(4), torch.arange(4))
    module = torch.export.export(Neutral(), inputs).module()
    assert drop_identities(module, nothing) == 0
    assert drop_identities(module, everything) == 4
    for wanted, found in zip(Neutral()(*inputs), module(*inputs), strict=True):
        assert wanted.dtype == found.dtype
        assert torch.equal(wanted, found)


class Copied(nn.Module):
    """Adding 0 makes the copy that is overwritten."""

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        value = value.exp()
        copy = value * 1
        copy[:, 0] = 0
        return value + copy


@pytest.mark.parametrize("change", [drop_identities, fold_affines], ids=operator.attrgetter("__name__"))
def test_a_copy_that_is_overwritten_stays_a_copy(change):
    value = torch.randn(2, 4)
    module = torch.export.export(Copied(), (value,)).module()
    change(module, everything)
    assert torch.equal(module(value), Copied()(value))


class Averaged(nn.Module):
    """A convolution whose answer is averaged over the whole image in three ways, and over quarters of it."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 16, 1)
        self.pool, self.quarters = nn.AdaptiveAvgPool2d(1), nn.AdaptiveAvgPool2d(2)
        self.line, self.head = nn.AdaptiveAvgPool1d(1), nn.Linear(64, 16)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        value = torch.relu(self.conv(image))
        whole = self.pool(value).flatten(1) + self.line(value.flatten(2)).flatten(1) + value.mean((2, 3))
        return whole + self.head(self.quarters(value).flatten(1))


def test_an_average_over_the_whole_image_has_a_scale_of_its_own():
    rows = np.random.default_rng(0).normal(size=(24, 1, 3, 16, 16)).astype(np.float32)
    net = Averaged()
    program, context, _ = program_of(net, (torch.from_numpy(rows[0]),), Samples({"image": rows}), ("image",))
    quantized = QuantizeStatic(ranges="min-max").apply(program, context)
    means = nodes(quantized, lambda name: "mean.dim" in name)
    assert len(means) == 3
    for mean in means:
        (after,) = mean.users
        assert after.args[1] < mean.args[0].args[1] / 4
    (pool,) = nodes(quantized, lambda name: "adaptive_avg_pool" in name)
    (after,) = pool.users
    assert after.args[1] == pool.args[0].args[1]
    assert sqnr_db(answers(program, context.calibration), answers(quantized, context.calibration)) > 40
    kept = QuantizeStatic(ranges="min-max", parts=(("pool", "float32"),)).apply(program, context)
    assert len(nodes(kept, lambda name: "adaptive_avg_pool" in name)) == 2


class Joined(nn.Module):
    """Ids and a mask are joined before anything is computed with them."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(20, 8), nn.Linear(8, 4)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        joined = torch.cat([ids, ids * 2], 1)
        mask = torch.cat([ids > 3, ids > 5], 1)
        rows = torch.relu(self.head(self.table(joined)))
        return torch.cat([rows, rows + 1], 2) * mask[:, :, None]


def test_integers_and_masks_that_are_joined_are_not_observed() -> None:
    torch.manual_seed(0)
    ids = np.random.default_rng(0).integers(0, 10, (16, 1, 6))
    program, context, _ = program_of(Joined().eval(), (torch.from_numpy(ids[0]),), Samples({"ids": ids}), ("ids",))
    quantized = QuantizeStatic().apply(program, context)
    assert sqnr_db(answers(program, Samples({"ids": ids})), answers(quantized, Samples({"ids": ids}))) > 30

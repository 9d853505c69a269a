"""A channels-last model becomes a program like any other: no operator, no weight has an order of its own in memory."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from edgeship.toolchain.api import Signature
from edgeship.toolchain.artifact import Tensor as Named
from edgeship.toolchain.model.layout import has_memory_format
from edgeship.toolchain.model.program import export

SIGNATURE = Signature((Named(name="x", dtype="float32", shape=(1, 3, 8, 8)),), ())


class Last(nn.Module):
    """Every way to ask for it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x = x.to(memory_format=torch.channels_last)
        y = self.conv(x).contiguous(memory_format=torch.channels_last)
        z = y.clone(memory_format=torch.channels_last) + torch.zeros_like(y, memory_format=torch.channels_last)
        return (z.to(torch.float64, memory_format=torch.channels_last).to(torch.float32),)


@pytest.mark.parametrize("weights", [torch.contiguous_format, torch.channels_last])
def test_a_channels_last_model_is_exported_without_it(weights: torch.memory_format) -> None:
    torch.manual_seed(0)
    net, x = Last().to(memory_format=weights).eval(), torch.randn(1, 3, 8, 8)
    program = export(net, (x,), SIGNATURE)
    assert not has_memory_format(program)
    [answer] = program.module()(x)
    assert answer.stride() == (256, 64, 8, 1)
    assert torch.allclose(answer, net(x)[0], atol=1e-6)
    assert net.conv[0].weight.is_contiguous(memory_format=weights)

"""The private parts of torch.export and of torch itself that edgeship stands on are still there."""

from __future__ import annotations

import pytest
import torch

from edgeship.toolchain.model.upstream import program_from_torchscript


class Branching(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2 if x.sum() > 0 else x - 1


def test_torchscript_control_flow_becomes_a_program_that_takes_both_branches() -> None:
    script = torch.jit.script(Branching())
    program = program_from_torchscript(script, (torch.ones(3),)).module()
    for x in (torch.ones(3), -torch.ones(3)):
        torch.testing.assert_close(program(x), script(x))


def test_what_it_cannot_take_raises() -> None:
    @torch.jit.script
    def loop(x: torch.Tensor) -> torch.Tensor:
        while bool(x.sum() < 100):
            x = x * 2
        return x

    with pytest.raises(Exception, match="Loop"):
        program_from_torchscript(loop, (torch.ones(3),))

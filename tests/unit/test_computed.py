"""What a program computes from constants alone is a constant of it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from edgeship.toolchain.api import Signature
from edgeship.toolchain.artifact import Tensor
from edgeship.toolchain.model.program import export


class Positions(nn.Module):
    """Buckets of distances, angles of positions, a weight that is normed, tables read by indices of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("frequencies", 10.0 ** -torch.arange(4))
        self.bias, self.layer = nn.Embedding(8, 1), nn.utils.parametrizations.weight_norm(nn.Linear(8, 8))
        self.table = nn.Parameter(torch.randn(3))
        self.positions = nn.Embedding(64, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        places = torch.arange(x.shape[1])
        apart = (places[:, None] - places[None]).abs()
        buckets = torch.where(apart < 4, apart, (4 + torch.log(apart.float() / 4)).long().clamp(max=7))
        angles = places[:, None].float() * self.frequencies
        x = self.layer(x + self.positions(places)) * torch.cat([angles.sin(), angles.cos()], -1)
        large = self.table[apart % 3]
        return (self.bias(buckets)[..., 0] + large) @ x


def exported(length: int | str = 6) -> tuple[torch.export.ExportedProgram, nn.Module]:
    torch.manual_seed(0)
    given = Tensor(name="x", dtype="float32", shape=(1, length, 8))
    dims = {"length": (2, 32)} if isinstance(length, str) else {}
    net = Positions().eval()
    return export(net, (torch.randn(1, 6, 8),), Signature((given,), (), dims)), net


def test_it_is_stored_and_what_it_was_computed_from_is_gone() -> None:
    program, net = exported()
    called = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert called <= {"aten.linear.default", "aten.mul.Tensor", "aten.add.Tensor", "aten.matmul.default",
                      "aten.embedding.default", "aten.select.int", "aten.index.Tensor"}, called  # fmt: skip
    assert "aten.index.Tensor" in called  # 36 numbers from a table of 3 would take more room
    assert not any(name.startswith(("frequencies", "positions", "layer.param")) for name in program.state_dict)
    assert "bias.weight" in program.state_dict  # 36 rows of a table of 8
    x = torch.randn(1, 6, 8)
    assert torch.equal(program.module()(x), net(x))


def test_what_depends_on_a_size_that_varies_stays_computed() -> None:
    program, net = exported("length")
    assert any("aten.log" in str(node.target) for node in program.graph.nodes)
    x = torch.randn(1, 9, 8)
    assert torch.allclose(program.module()(x), net(x))


class Filled(nn.Module):
    """Windows are masked: by a tensor that is filled part by part, and read before and after."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mask = x.new_zeros(6, 6)
        mask[:3, :3] = 1.0
        early, x = mask * 2, mask @ x
        mask[3:, 3:] = torch.tensor(2.0)
        apart = mask.unsqueeze(0) - mask.t().unsqueeze(1)
        blocked = apart.masked_fill(apart != 0, -100.0).masked_fill(apart == 0, 0.0)
        return torch.softmax(x @ x.transpose(1, 2) + early + blocked.sum(0) + mask, -1)


class Updated(nn.Module):
    """Rows of what was a constant are the input's."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = torch.ones(1, 6, 8)
        twice = rows * 3
        rows[:, 2:4] = x[:, 2:4]
        return (rows + 1) @ x.transpose(1, 2) + twice.sum()


class Parted(nn.Module):
    """A view that is no plain one is taken before its tensor is written."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mask = torch.zeros(6, 8)
        top, bottom = mask.chunk(2)
        early = torch.cat([top + 1, bottom])
        mask[:2] = 3.0
        return x * early + torch.cat([top, bottom])


@pytest.mark.parametrize("net", [Filled(), Parted(), Updated()])
def test_what_is_written_into_a_constant_is_in_it(net: nn.Module) -> None:
    x = torch.randn(1, 6, 8)
    program = export(net, (x,), Signature((Tensor(name="x", dtype="float32", shape=(1, 6, 8)),), (), {}))
    assert torch.equal(program.module()(x), net(x))
    writes = [node for node in program.graph.nodes if "copy_" in str(node.target) or "fill_" in str(node.target)]
    assert len(writes) == isinstance(net, Updated)


def test_rows_of_a_table_that_something_else_reads_stay_rows() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(32, 8)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return self.table(ids) + self.table(torch.arange(4))

    signature = Signature((Tensor(name="ids", dtype="int64", shape=(1, 4)),), (), {})
    program = export(Tied().eval(), (torch.tensor([[1, 2, 3, 4]]),), signature)
    assert set(program.state_dict) == {"table.weight"}

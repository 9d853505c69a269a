"""Sound files of layers whose constants converters rearrange: no fault, and every constant counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from quantize_context import program_of
from torch import nn

from edgeship.targets.onnx import constants as onnx_file
from edgeship.targets.onnx.target import Onnx
from edgeship.toolchain.api import Samples, Target
from edgeship.toolchain.artifact import ConstantsAudit
from edgeship.toolchain.inventory import Inventory, Weight
from edgeship.toolchain.model.audit import compare
from edgeship.toolchain.model.constants import constants_of
from edgeship.toolchain.model.expected import Constants, Layer

pytestmark = pytest.mark.heavy


class Recurrent(nn.Module):
    """A recurrent layer whose last state a linear layer reads."""

    def __init__(self, kind: type[nn.GRU | nn.LSTM], bidirectional: bool) -> None:
        super().__init__()
        self.recur = kind(6, 8, batch_first=True, bidirectional=bidirectional)
        self.head = nn.Linear(16 if bidirectional else 8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.recur(x)[0][:, -1])


class Attention(nn.Module):
    """Attention with a bias, its heads joined by a view that fits what torch's fused kernel answers."""

    def __init__(self) -> None:
        super().__init__()
        self.project, self.bias = nn.Linear(8, 24), nn.Parameter(torch.randn(1, 2, 5, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.project(x).view(1, 5, 3, 2, 4).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=self.bias)
        return mixed.transpose(1, 2).reshape(1, 5, 8)


def audited(net: nn.Module, shape: tuple[int, ...], target: Target, folder: Path) -> ConstantsAudit:
    torch.manual_seed(0)
    rows = np.random.default_rng(0).standard_normal((4, *shape)).astype(np.float32)
    program, context, _ = program_of(net.eval(), (torch.from_numpy(rows[0]),), Samples({"x": rows}), ("x",))
    artifact = target.export(program, folder, context)
    return compare(constants_of(program), onnx_file.constants(folder / artifact.file))


@pytest.mark.parametrize("bidirectional", [False, True], ids=["one direction", "both"])
@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
def test_the_gates_of_a_recurrent_layer_are_in_an_onnx_file_in_another_order(
    kind: type[nn.GRU | nn.LSTM], bidirectional: bool, tmp_path: Path
) -> None:
    found = audited(Recurrent(kind, bidirectional), (1, 5, 6), Onnx(), tmp_path)
    assert found.faults == ()
    assert found.total == (10 if bidirectional else 6)


def test_attention_joined_by_a_view_becomes_onnx(tmp_path: Path) -> None:
    assert audited(Attention(), (1, 5, 8), Onnx(), tmp_path).faults == ()


def test_a_bias_of_zeros_says_nothing_of_one_that_is_added_elsewhere() -> None:
    values, bias = np.arange(6, dtype=np.float32).reshape(2, 3), np.array([0.5, -1], np.float32)
    layer, zeros = Layer("layer", values, bias=bias), np.zeros(2, np.float32)
    file = Inventory(weights=[Weight("CONV_3D", values, bias=zeros)], floats=[values, zeros])
    assert compare(Constants(layers=[layer]), file).faults == ("layer: the bias is not in the file",)
    file.floats.append(bias)
    assert compare(Constants(layers=[layer]), file).faults == ()

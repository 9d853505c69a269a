"""Sound files of layers whose constants converters rearrange: no fault, and every constant counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from audits import audit, compare
from quantize_context import program_of
from torch import nn

from edgeship.targets.coreai import constants as coreai_file
from edgeship.targets.coreai.target import CoreAI
from edgeship.targets.litert.target import LiteRT
from edgeship.targets.onnx import constants as onnx_file
from edgeship.targets.onnx.target import Onnx
from edgeship.toolchain.api import W8A8_STATIC, Samples, Target
from edgeship.toolchain.artifact import ConstantsAudit
from edgeship.toolchain.inventory import Inventory, Weight
from edgeship.toolchain.model.constants import constants_of
from edgeship.toolchain.model.expected import Constants, Layer
from edgeship.toolchain.passes.quantize import QuantizeStatic

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
@pytest.mark.parametrize("kind", [pytest.param(nn.GRU, marks=pytest.mark.slow), nn.LSTM])
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


class Curbed(nn.Module):
    """What the converter would quantize on its own: limits, a softmax over channels, a pool that does not divide."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(1, 8, 3), nn.Conv2d(8, 10, 4)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = nn.functional.hardtanh(self.first(image) * 4, -0.5, 0.5)
        x = torch.where(x > 0, x, 0.1 * x) + x.view(-1, 8, 6, 6, 1).softmax(3)[..., 0]
        return self.last(nn.functional.adaptive_avg_pool2d(x, 4)).flatten(1)


@pytest.mark.slow
def test_nothing_is_quantized_that_the_program_does_not_quantize(tmp_path: Path) -> None:
    torch.manual_seed(0)
    images = np.random.default_rng(0).random((32, 1, 1, 8, 8), np.float32)
    program, context, _ = program_of(Curbed().eval(), (torch.rand(1, 1, 8, 8),), Samples({"image": images}), ("image",))
    program = QuantizeStatic().apply(program, context)
    artifact = LiteRT().export(program, tmp_path, replace(context, spec=W8A8_STATIC))
    found = audit(program, artifact, tmp_path)
    assert found is not None
    assert found.faults == ()


class Positioned(nn.Module):
    """Patches of an image with their places, as vision transformers have them."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.last = nn.Conv2d(1, 8, 2, 2), nn.Conv2d(8, 10, 4)
        self.places = nn.Parameter(torch.randn(1, 8, 4, 4))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.last(torch.tanh(self.patches(image) + self.places)).flatten(1)


@pytest.mark.parametrize("target", [LiteRT, CoreAI, Onnx])
def test_what_is_added_at_each_place_may_be_one_with_the_bias(target: type[Target], tmp_path: Path) -> None:
    torch.manual_seed(0)
    images = Samples({"image": np.zeros((1, 1, 1, 8, 8), np.float32)})
    program, context, _ = program_of(Positioned().eval(), (torch.rand(1, 1, 8, 8),), images, ("image",))
    artifact = target().export(program, tmp_path, context)
    found = audit(program, artifact, tmp_path)
    assert found is not None
    assert found.faults == ()
    with torch.no_grad():
        next(each for name, each in program.state_dict.items() if name.endswith("places"))[0, 0, 0, 0] += 0.001
    changed = audit(program, artifact, tmp_path)
    assert changed is not None
    assert changed.faults != ()


class Biased(nn.Module):
    """Scores with two constants added, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.near, self.far = nn.Linear(8, 8), nn.Parameter(torch.randn(5, 8)), nn.Parameter(torch.randn(8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.first(torch.tanh(x) + self.near + self.far))


class Windowed(nn.Module):
    """Scores of windows with a bias for all of them, and one for each, as shifted windows have them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.bias = nn.Linear(8, 8), nn.Parameter(torch.randn(1, 5, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = self.first(torch.tanh(x)).reshape(2, 5, 8) + self.bias
        mask = torch.zeros(2, 1, 8)
        mask[1, :, 4:] = -100.0
        return torch.softmax((scores.view(1, 2, 5, 8) + mask.unsqueeze(0)).view(2, 5, 8), -1).reshape(1, 10, 8)


class Typed(nn.Module):
    """Rows, their one type and their positions, as BERT's embeddings add them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.types, self.positions = nn.Linear(8, 8), nn.Embedding(2, 8), nn.Parameter(torch.randn(1, 5, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        type_ids = torch.zeros_like(x[:, :, 0], dtype=torch.int64)
        return torch.tanh(self.first(torch.tanh(x) + self.types(type_ids) + self.positions))


@pytest.mark.parametrize(("net", "rows"), [(Biased, 5), (Windowed, 10), (Typed, 5)])
def test_constants_that_are_added_one_after_the_other_may_be_one(
    net: type[nn.Module], rows: int, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    samples = Samples({"x": np.zeros((1, 1, rows, 8), np.float32)})
    program, context, _ = program_of(net().eval(), (torch.randn(1, rows, 8),), samples, ("x",))
    artifact = CoreAI().export(program, tmp_path, context)
    found = audit(program, artifact, tmp_path)
    assert found is not None
    assert found.faults == ()
    constants = constants_of(program)
    other = replace(constants, floats=[replace(f, alternatives=_moved(f.alternatives)) for f in constants.floats])
    assert compare(other, coreai_file.constants(tmp_path / artifact.file)).faults != ()


def _moved(alternatives: tuple[tuple[np.ndarray, ...], ...]) -> tuple[tuple[np.ndarray, ...], ...]:
    """The same constants of another checkpoint."""
    return tuple(tuple(array + 0.1 for array in arrays) for arrays in alternatives)

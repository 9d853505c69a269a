"""LiteRT files with sizes left open: ordinary networks, and what a file can only hold at one size."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from litert_files import make
from quantize_context import answers_of, sqnr_db
from torch import nn

from edgeship.targets.litert import sizes, upstream
from edgeship.toolchain.api import FLOAT32, W8A8_STATIC, Context, Samples, Signature, Tensor, export
from edgeship.toolchain.model.program import flatten
from edgeship.toolchain.passes.quantize import QuantizeStatic

pytestmark = pytest.mark.heavy


class Ordinary(nn.Module):
    """What stops the converter's own dynamic sizes: convolution, broadcasting, a pool of several cells, view."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.gate, self.head = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, 8), nn.Linear(32, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.conv(image))
        gate = torch.sigmoid(self.gate(x.mean((2, 3))))[:, :, None, None]
        x = nn.functional.adaptive_avg_pool2d(x * gate.expand_as(x), 2)
        return self.head(x.view(x.size(0), -1))


class Tokens(nn.Module):
    """A table of positions that is cut to the length: the converter folds the cut one into the file."""

    def __init__(self) -> None:
        super().__init__()
        self.places, self.head = nn.Parameter(torch.randn(1, 16, 8)), nn.Linear(8, 4)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(tokens + self.places[:, : tokens.shape[1]]).mean(1)


def given(net: nn.Module, shape: tuple[int | str, ...], dims: dict[str, tuple[int, int]], size: int) -> tuple:
    torch.manual_seed(0)
    example = (torch.randn([size if isinstance(s, str) else s for s in shape]),)
    answer = net(*example)
    out = Tensor(name="output", dtype="float32", shape=(shape[0], *answer.shape[1:]))
    signature = Signature((Tensor(name="x", dtype="float32", shape=shape),), (out,), dims)
    said: list[str] = []
    samples = Samples({"x": np.random.default_rng(0).standard_normal((16, *example[0].shape)).astype(np.float32)})
    context = Context(signature, example=example, calibration=samples, warn=said.append)
    return export(flatten(net, 1), example, signature), context, said


@pytest.mark.parametrize("spec", [pytest.param(FLOAT32, marks=pytest.mark.slow), W8A8_STATIC])
def test_an_ordinary_network_takes_any_batch(spec: object, tmp_path: Path) -> None:
    torch.manual_seed(0)
    program, context, said = given(Ordinary().eval(), ("batch", 3, 16, 16), {"batch": (1, 8)}, 1)
    if spec is W8A8_STATIC:
        program = QuantizeStatic().apply(program, context)
    artifact, file = make(program, context, spec, tmp_path)
    assert (artifact.inputs[0].shape, artifact.outputs[0].shape) == (("batch", 3, 16, 16), ("batch", 10))
    assert (said, artifact.notes) == ([], ())
    for batch in (1, 5):
        images = torch.randn(batch, 3, 16, 16)
        expected = answers_of(program.module(), Samples({"x": images.numpy()[None]}))
        answered = upstream.answers(file.read_bytes(), {"x": images.numpy()})["output"]
        assert expected.abs().max() > 0.1
        assert sqnr_db(expected, torch.from_numpy(answered)) > (100 if spec is FLOAT32 else 25)


def test_what_a_file_holds_at_one_size_only_is_made_for_the_examples_size_and_says_so(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = Tokens().eval()
    program, context, said = given(net, (1, "length", 8), {"length": (2, 16)}, 5)
    artifact, file = make(program, context, FLOAT32, tmp_path)
    assert artifact.inputs[0].shape == (1, 5, 8)
    assert "made for one size (length = 5): ADD" in artifact.notes[0]
    assert said == [f"LiteRT: {artifact.notes[0]}"]
    answered = upstream.answers(file.read_bytes(), {"x": context.example[0].numpy()})["output"]
    assert sqnr_db(net(*context.example), torch.from_numpy(answered)) > 100


def test_sizes_are_chosen_within_their_bounds_and_apart() -> None:
    signature = Signature(
        (Tensor(name="x", dtype="float32", shape=("batch", "n")),), (), {"batch": (1, 2), "n": (4, 9)}
    )
    first, second = sizes.two_sizes(signature, (torch.zeros(1, 8),))
    assert first == {"batch": 2, "n": 8}
    assert second == {"batch": 1, "n": 4}


def test_a_resized_file_that_answers_something_else_is_found() -> None:
    right = {"y": np.arange(6, dtype=np.float32)}
    sizes.check_equal(right, {"y": right["y"] + 1e-4})
    with pytest.raises(sizes.FixedSizeError, match="in y"):
        sizes.check_equal(right, {"y": right["y"][::-1]})


def test_another_size_is_only_asked_of_what_the_file_left_open() -> None:
    from edgeship.toolchain.judge.answers import _takes

    def file(*shape: int | str) -> SimpleNamespace:
        return SimpleNamespace(inputs=(Tensor(name="x", dtype="float32", shape=shape),))

    other = Samples({"x": np.zeros((1, 3, 7), np.float32)})
    assert _takes(file("batch", "n"), other)
    assert _takes(file("batch", 7), other)
    assert not _takes(file("batch", 5), other)
    assert not _takes(file(1, 5), other)

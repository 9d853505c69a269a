"""Unrolled recurrent layers: the same numbers, fewer operators than torch's own unrolling."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
import torch
from audits import compare
from litert_files import make, run
from quantize_context import answers, program_of, sqnr_db
from torch import nn

from edgeship.targets.executorch.inspect import constants as in_pte
from edgeship.targets.executorch.target import ExecuTorch
from edgeship.targets.litert.inspect import constants as in_tflite
from edgeship.targets.litert.target import LiteRT
from edgeship.targets.litert.upstream import operator_names, read_flatbuffer
from edgeship.toolchain.api import W8A8_STATIC, Samples, Signature, Tensor, export, unrolled
from edgeship.toolchain.model.constants import constants_of
from edgeship.toolchain.model.program import rewritten
from edgeship.toolchain.passes.quantize import QuantizeStatic

STEPS, BATCH, INPUTS, WIDTH = 4, 3, 5, 7


class All(nn.Module):
    """A recurrent layer with everything that it answers."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        outputs, states = self.layer(x)
        return (outputs, *(states if isinstance(states, tuple) else (states,)))


def program(net: nn.Module, x: torch.Tensor) -> tuple[torch.export.ExportedProgram, Signature]:
    shapes = [tuple(each.shape) for each in net(x)]
    outputs = tuple(Tensor(name=f"y{i}", dtype="float32", shape=shape) for i, shape in enumerate(shapes))
    signature = Signature((Tensor(name="x", dtype="float32", shape=tuple(x.shape)),), outputs)
    return export(net, (x,), signature), signature


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
@pytest.mark.parametrize(
    "options",
    [{}, {"batch_first": True, "num_layers": 2}, {"bidirectional": True, "num_layers": 2}, {"bias": False}],
    ids=["plain", "two layers", "both ways", "no biases"],
)
def test_an_unrolled_layer_answers_the_same(kind: type[nn.GRU | nn.LSTM], options: dict[str, int | bool]) -> None:
    torch.manual_seed(0)
    net, x = All(kind(INPUTS, WIDTH, **options)).eval(), torch.randn(STEPS, BATCH, INPUTS)
    before, signature = program(net, x)
    after = rewritten(before, signature, (x,), unrolled())
    assert not any(node.target in unrolled() for node in after.graph.nodes)
    for expected, answer in zip(net(x), after.module()(x), strict=True):
        torch.testing.assert_close(answer, expected)


def test_a_projected_state_and_a_dropout_in_training_are_left_to_the_converter() -> None:
    x = torch.randn(STEPS, BATCH, INPUTS)
    before, signature = program(All(nn.LSTM(INPUTS, WIDTH, proj_size=3)).eval(), x)
    assert rewritten(before, signature, (x,), unrolled()) is before


class Head(nn.Module):
    """A linear layer on the last of a recurrent layer's outputs."""

    def __init__(self, kind: type[nn.GRU | nn.LSTM]) -> None:
        super().__init__()
        self.body, self.head = kind(INPUTS, WIDTH, batch_first=True, bidirectional=True), nn.Linear(2 * WIDTH, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x)[0][:, -1])


@functools.cache
def samples() -> Samples:
    return Samples({"x": np.random.default_rng(0).standard_normal((16, 1, STEPS, INPUTS)).astype(np.float32)})


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
def test_every_weight_is_found_in_the_files(kind: type[nn.GRU | nn.LSTM], tmp_path: Path) -> None:
    torch.manual_seed(0)
    example = (torch.from_numpy(samples().row(0)[0]),)
    whole, context, _ = program_of(Head(kind).eval(), example, samples(), ("x",))
    for target, read in ((LiteRT(), in_tflite), (ExecuTorch(), in_pte)):
        folder = tmp_path / target.format
        folder.mkdir()
        artifact = target.export(whole, folder, context)
        found = compare(constants_of(whole), read(folder / artifact.file))
        assert (found.faults, found.total) == ((), 10)


@pytest.mark.heavy
@pytest.mark.slow
def test_what_the_last_step_answers_is_quantized_once_and_no_other_step(tmp_path: Path) -> None:
    torch.manual_seed(0)
    example = (torch.from_numpy(samples().row(0)[0]),)
    whole, context, _ = program_of(Head(nn.GRU).eval(), example, samples(), ("x",))
    quantized = QuantizeStatic().apply(whole, context)
    artifact, file = make(quantized, context, W8A8_STATIC, tmp_path)
    model = read_flatbuffer(file.read_bytes())
    used = [model.operatorCodes[operator.opcodeIndex] for operator in model.subgraphs[0].operators]
    names = [operator_names()[max(code.builtinCode, code.deprecatedBuiltinCode)] for code in used]
    assert (artifact.spec, names.count("QUANTIZE"), names.count("LOGISTIC")) == (str(W8A8_STATIC), 1, 2 * STEPS)
    assert sqnr_db(answers(quantized, samples()), run(file, samples())) > 50

"""The private parts of litert-torch and ai-edge-litert do what edgeship thinks they do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from litert_files import make, run
from quantize_context import answers, digits, program_of, sqnr_db
from torch import nn

from edgeship.targets.litert import upstream as litert
from edgeship.toolchain.api import FLOAT32, W8A8_STATIC, Samples
from edgeship.toolchain.passes.quantize import QuantizeStatic

pytestmark = pytest.mark.heavy


def test_every_operator_of_a_small_net_goes_to_one_partition(tmp_path: Path) -> None:
    program, context, _ = digits()
    _, file = make(program, context, FLOAT32, tmp_path)
    operators = litert.read_flatbuffer(file.read_bytes()).subgraphs[0].operators
    placement = litert.placement(file)
    assert placement.taken == len(operators) > 6
    assert (placement.left, placement.partitions) == (0, 1)


def test_the_schema_names_operators_and_dtypes() -> None:
    assert litert.operator_names()[3] == "CONV_2D"
    assert litert.operator_names()[117] == "HARD_SWISH"
    assert litert.tensor_type_names()[9] == "int8"


class Expanded(nn.Module):
    """Heads that share their keys, one dimension longer on the way, in 8 bits where it is quantized."""

    def __init__(self) -> None:
        super().__init__()
        self.queries, self.keys = nn.Linear(8, 8), nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size = x.shape[1]
        queries = self.queries(x).view(1, size, 2, 4).transpose(1, 2)
        keys = self.keys(x)[:, None, None].expand(1, 1, 2, size, 4).reshape(1, 2, size, 4)
        return queries @ keys.transpose(-2, -1)


@pytest.mark.parametrize("length", [4, 6])  # as long as a head is wide, and not
@pytest.mark.parametrize("variant", ["float", "int8"])
def test_what_is_transposed_after_it_was_expanded_is_transposed(variant: str, length: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    samples = Samples({"x": np.random.default_rng(0).normal(size=(16, 1, length, 8)).astype(np.float32)})
    program, context, _ = program_of(Expanded().eval(), (torch.randn(1, length, 8),), samples, ("x",))
    spec = FLOAT32 if variant == "float" else W8A8_STATIC
    if variant == "int8":
        program = QuantizeStatic().apply(program, context)
    _, file = make(program, context, spec, tmp_path)
    assert sqnr_db(answers(program, samples), run(file, samples)) > (100 if variant == "float" else 35)

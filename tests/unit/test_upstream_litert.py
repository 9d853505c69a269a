"""The private parts of litert-torch and ai-edge-litert do what edgeship thinks they do."""

from __future__ import annotations

from pathlib import Path

import pytest
from litert_files import make
from quantize_context import digits

from edgeship.targets.litert import upstream as litert
from edgeship.toolchain.api import FLOAT32

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

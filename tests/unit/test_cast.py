"""cast-fp16: half the bytes, float arithmetic, and nothing silently infinite."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from models import digit_data, digit_net
from quantize_context import answers, digits, operators, program_of, sqnr_db

from edgeship.toolchain.api import FLOAT16, FLOAT32, W8A8_STATIC
from edgeship.toolchain.model.program import load, save
from edgeship.toolchain.passes.cast import CastFp16

TEST = digit_data()[1].take(range(100))


def test_the_stored_weights_are_half_precision_and_the_answers_are_the_same(tmp_path: Path):
    program, context, warnings = digits(batch="batch")
    cast = CastFp16().apply(program, context)
    save(cast, tmp_path / "model.pt2")
    loaded = load(tmp_path / "model.pt2")
    assert {value.dtype for value in loaded.state_dict.values()} == {torch.float16}
    assert not loaded.constants
    expected, found = answers(program, TEST), answers(loaded, TEST)
    assert found.dtype == torch.float32
    assert torch.equal(answers(cast, TEST), found)
    assert sqnr_db(expected, found) > 50
    assert operators(loaded)["aten.batch_norm.default"] == 0
    assert warnings == []


def test_a_weight_that_half_precision_cannot_hold_stays_float():
    net, (image,) = digit_net()
    net[-1].weight.data[0] *= 1e6
    net[-1].bias.data *= 1e-7
    program, context, warnings = program_of(net, (image,), digit_data()[0].take(range(2)), ("image",))
    cast = CastFp16().apply(program, context)
    floats = [name for name, value in cast.state_dict.items() if value.dtype == torch.float32]
    assert len(floats) == 2
    assert any("beyond float16" in warning for warning in warnings)
    assert any("changes it by" in warning for warning in warnings)
    assert sqnr_db(answers(program, TEST), answers(cast, TEST)) > 50


def test_only_a_float32_program_is_cast():
    assert CastFp16().spec(FLOAT32) == FLOAT16
    for before in (FLOAT16, W8A8_STATIC):
        with pytest.raises(ValueError, match="already"):
            CastFp16().spec(before)

"""A dynamic program computed row by row."""

from __future__ import annotations

import pytest
import torch
from quantize_context import answers, answers_of, encoder, sqnr_db

from edgeship.toolchain.passes.quantize import QuantizeDynamic
from edgeship.toolchain.quantization.row_scales import round_rows, scale_by_rows

pytestmark = pytest.mark.heavy


def test_each_row_has_its_own_scale() -> None:
    rows = torch.tensor([[[0.0, 0.5, 1.0], [0.0, 50.0, 100.0]]])
    rounded = round_rows(rows, -128, 127, torch.int8)
    assert torch.allclose(rounded, rows, rtol=1 / 127, atol=0)
    assert not torch.equal(rounded, rows)


def test_a_program_computed_by_rows_is_nearer_to_the_float_model() -> None:
    program, context, _ = encoder()
    quantized = QuantizeDynamic().apply(program, context)
    samples = context.calibration
    by_tensor = answers(quantized, samples)
    module = quantized.module()
    scale_by_rows(module)
    assert not [node for node in module.graph.nodes if "choose_qparams" in str(node.target)]
    expected = answers(program, samples)
    assert sqnr_db(expected, answers_of(module, samples)) > sqnr_db(expected, by_tensor)

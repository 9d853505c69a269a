"""quantize-dynamic and quantize-weights: integers in the program, small tables, answers close to the float model's."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from models import digit_data
from quantize_context import answers, digits, encoder, nodes, operators, program_of, sqnr_db
from torch import nn

from edgeship.toolchain.api import (
    FLOAT16,
    FLOAT32,
    W8_WEIGHTS,
    W8A8_DYNAMIC,
    W8A8_STATIC,
    EdgeshipError,
    QuantSpec,
    Samples,
    folded,
)
from edgeship.toolchain.model.program import load, save
from edgeship.toolchain.passes.quantize import QuantizeDynamic, QuantizeStatic, QuantizeWeights
from edgeship.toolchain.quantization.constants import grouped_int4, symmetric_int8

pytestmark = pytest.mark.heavy

TEST = digit_data()[1].take(range(100))


@pytest.fixture(scope="module")
def text():
    """The text encoder with a dynamic batch, its context, and its dynamically quantized program."""
    program, context, warnings = encoder(batch="batch")
    quantized = QuantizeDynamic().apply(program, context)
    assert warnings == []
    return program, context, quantized


def test_dynamic_int8_stays_close_to_the_text_encoder(text):
    program, context, quantized = text
    expected, found = answers(program, context.calibration), answers(quantized, context.calibration)
    assert sqnr_db(expected, found) > 30
    assert float(expected.norm()) > 1


def test_every_linear_layer_computes_on_integers(text):
    count = operators(text[2])
    linears = nodes(text[2], lambda name: name == "aten.linear.default")
    assert len(linears) == 5
    assert all("dequantize_per_tensor.tensor" in str(linear.args[0].target) for linear in linears)
    assert all("dequantize_per_channel" in str(linear.args[1].target) for linear in linears)
    assert count["quantized_decomposed.choose_qparams.tensor"] == 3  # one for query, key and value together


def test_the_large_embedding_table_is_looked_up_as_integers_and_the_small_one_as_floats(text):
    look_ups = nodes(text[2], lambda name: name == "aten.embedding.default")
    shapes = [(tuple(node.args[0].meta["val"].shape), node.args[0].meta["val"].dtype) for node in look_ups]
    assert shapes == [((512, 64), torch.int8), ((512, 1), torch.float32), ((16, 64), torch.float32)]


@pytest.mark.slow
def test_static_int8_looks_the_large_table_up_as_integers_too():
    program, context, _ = encoder()
    quantized = QuantizeStatic().apply(program, context)
    look_ups = nodes(quantized, lambda name: name == "aten.embedding.default")
    assert [node.args[0].meta["val"].dtype for node in look_ups] == [torch.int8, torch.float32, torch.float32]
    floats = QuantizeStatic(embeddings=False).apply(program, context)
    assert sqnr_db(answers(floats, context.calibration), answers(quantized, context.calibration)) > 15


def test_a_dynamic_batch_and_the_stored_file_keep_the_answers(text, tmp_path: Path):
    _, context, quantized = text
    save(quantized, tmp_path / "model.pt2")
    loaded = load(tmp_path / "model.pt2")
    integers = folded(loaded, context.signature, context.example)
    expected = answers(quantized, context.calibration)
    assert torch.equal(expected, answers(loaded, context.calibration))
    assert torch.equal(expected, answers(integers, context.calibration))
    matrices = [value for value in integers.state_dict.values() if value.dim() > 1 and value.numel() > 1024]
    assert {value.dtype for value in matrices} == {torch.int8}


def test_a_convolutional_network_has_its_head_quantized_and_nothing_else():
    program, context, _ = digits()
    quantized = QuantizeDynamic().apply(program, context)
    count = operators(quantized)
    assert count["quantized_decomposed.choose_qparams.tensor"] == 1
    assert sqnr_db(answers(program, TEST), answers(quantized, TEST)) > 35


def test_convolutions_are_quantized_where_asked():
    program, context, _ = digits()
    count = operators(QuantizeDynamic(convolutions=True).apply(program, context))
    assert count["quantized_decomposed.choose_qparams.tensor"] > 1


def test_a_network_without_a_linear_layer_is_refused():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()).eval()
    samples = digit_data()[0].take(range(2))
    program, context, _ = program_of(net, (torch.randn(1, 1, 8, 8),), Samples(samples.inputs), ("image",))
    with pytest.raises(EdgeshipError, match="no linear layer"):
        QuantizeDynamic().apply(program, context)
    with pytest.raises(EdgeshipError, match="no weight for 4 bits"):
        QuantizeWeights(bits=4).apply(program, context)


def test_int8_weights_alone_change_little(tmp_path: Path):
    program, context, _ = digits()
    quantized = QuantizeWeights().apply(program, context)
    integers = folded(quantized, context.signature, context.example)
    expected = answers(program, TEST)
    assert sqnr_db(expected, answers(quantized, TEST)) > 30
    assert torch.equal(answers(quantized, TEST), answers(integers, TEST))
    count = operators(integers)
    assert count["quantized_decomposed.dequantize_per_channel.default"] == 6
    assert not [
        name for name in count if "quantize_per_tensor" in name or name.startswith("quantized_decomposed.quant")
    ]
    assert {value.dtype for value in integers.state_dict.values() if value.dim() > 1} == {torch.int8}


def test_int4_weights_stand_in_groups_and_the_rest_is_told(tmp_path: Path):
    program, context, _ = encoder()
    quantized = QuantizeWeights(bits=4).apply(program, context)
    grouped = nodes(quantized, lambda name: "dequantize_per_channel_group" in name)
    assert len(grouped) == 5
    stored = [quantized.state_dict[node.args[0].name.removeprefix("b_")] for node in grouped]
    assert all(value.dtype == torch.int8 and value.min() >= -8 and value.max() <= 7 for value in stored)
    save(quantized, tmp_path / "model.pt2")
    expected, found = answers(program, context.calibration), answers(load(tmp_path / "model.pt2"), context.calibration)
    assert sqnr_db(expected, found) > 15

    program, context, warnings = digits()
    QuantizeWeights(bits=4).apply(program, context)
    assert warnings == ["5 of 6 weights take 8 bits: no linear layer in groups"]


def test_the_scale_search_is_no_worse_than_the_largest_magnitude():
    torch.manual_seed(0)
    weight = torch.randn(16, 64)
    scale, integers = grouped_int4(weight, 32)
    found = (integers.view(16, 2, 32) * scale[..., None]).view(16, 64)
    plain_scale = weight.view(16, 2, 32).abs().amax(-1, keepdim=True) / 7
    plain = (torch.round(weight.view(16, 2, 32) / plain_scale) * plain_scale).view(16, 64)
    assert (found - weight).norm() < 0.98 * (plain - weight).norm()


def test_rows_of_zeros_stay_zeros():
    weight = torch.randn(4, 64)
    weight[2] = 0
    scale, integers = symmetric_int8(weight)
    assert scale.isfinite().all()
    assert not integers[2].any()
    assert not grouped_int4(weight, 32)[1][2].any()


def test_the_specs_follow_from_the_options_and_only_float32_is_taken():
    assert QuantizeDynamic().spec(FLOAT32) == W8A8_DYNAMIC
    assert QuantizeWeights().spec(FLOAT32) == W8_WEIGHTS
    assert str(QuantizeWeights(bits=4, group=64).spec(FLOAT32)) == "w4-weights-g64"
    for before in (FLOAT16, W8A8_STATIC, QuantSpec("weights", 4, group=32)):
        for quantize in (QuantizeDynamic(), QuantizeWeights()):
            with pytest.raises(ValueError, match="already"):
                quantize.spec(before)

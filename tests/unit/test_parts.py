"""Mixed precision: parts of a spec, and what each pass makes of the layers they name."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from models import digit_data
from pydantic import ValidationError
from quantize_context import answers, digits, encoder, nodes, sqnr_db
from training_context import accuracy
from training_context import context as training_context
from training_context import module as trained_module

from edgeship.toolchain.api import FLOAT16, FLOAT32, W8_WEIGHTS, W8A8_STATIC, EdgeshipError, parse_spec
from edgeship.toolchain.passes.cast import CastFp16
from edgeship.toolchain.passes.qat import Qat
from edgeship.toolchain.passes.quantize import QuantizeDynamic, QuantizeStatic, QuantizeWeights
from edgeship.toolchain.quantization.layers import layer_of

pytestmark = pytest.mark.heavy

TEST = digit_data()[1].take(range(64))


def weight_sources(program: torch.export.ExportedProgram) -> dict[str, str]:
    """For each convolution and linear: the operator its weight comes from, 'get_attr' where it is stored float."""
    layers = nodes(program, lambda name: "conv" in name or "linear" in name)
    sources = {layer_of(node): node.args[1] for node in layers}
    return {layer: "get_attr" if s.op in ("get_attr", "placeholder") else str(s.target) for layer, s in sources.items()}


@pytest.mark.parametrize(
    "name",
    [
        "w8a8-static{classifier.1=float32}",
        "w4-weights-g32{head.*=w8-weights,head.out=float32}",
        "w8a8-static{*.attn[0-9]=float16}",
    ],
)
def test_a_name_with_parts_is_read_as_it_is_written(name: str) -> None:
    assert str(parse_spec(name)) == name


@pytest.mark.parametrize("name", ["w8a8-static{}", "w8a8-static{head}", "{head=float32}", "w8a8-static{a b=float32}"])
def test_what_is_not_in_the_grammar_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        parse_spec(name)


def test_a_pattern_names_a_module_and_all_that_is_in_it_and_the_last_match_wins() -> None:
    spec = replace(W8A8_STATIC, parts=(("block", FLOAT32), ("*.attn", W8_WEIGHTS), ("block.1.attn.out", FLOAT16)))
    assert spec.at("stem") == spec.at("") == spec.at("blocks.0") == spec.whole == W8A8_STATIC
    assert spec.at("block") == spec.at("block.1.conv") == FLOAT32
    assert spec.at("block.1.attn") == spec.at("block.1.attn.in") == W8_WEIGHTS
    assert spec.at("block.1.attn.out") == FLOAT16
    assert (spec.scheme, spec.is_integer) == ("w8a8-static", True)
    assert spec.each == (W8A8_STATIC, FLOAT32, W8_WEIGHTS, FLOAT16)


def test_a_pass_takes_what_is_float32_and_leaves_the_rest() -> None:
    static = QuantizeStatic(parts=[["a", "float32"], ["a.b", "w8a8-static"], ["c", "float32"]]).spec(FLOAT32)
    assert str(CastFp16().spec(static)) == "w8a8-static{a=float16,a.b=w8a8-static,c=float16}"
    mixed = QuantizeWeights(parts=[["a", "float32"]]).spec(static)
    assert str(mixed) == "w8a8-static{a=float32,a.b=w8a8-static,c=w8-weights}"
    with pytest.raises(ValueError, match=r"'head' is none of the program's float32 parts \(a, c\)"):
        CastFp16(parts=[["head", "float32"]]).spec(static)
    with pytest.raises(ValueError, match="already, and nothing in it is float32"):
        CastFp16().spec(CastFp16().spec(static))


def test_a_part_must_be_something_the_pass_can_make() -> None:
    with pytest.raises(ValidationError, match="only float32 or w8a8-static; leave it float32 and let another pass"):
        QuantizeStatic(parts=[["head", "w8-weights"]])
    with pytest.raises(ValidationError, match="not a quantization spec: 'flaot32'"):
        QuantizeDynamic(parts=[["head", "flaot32"]])
    assert QuantizeWeights(parts=[["head", "w4-weights-g16"]])


@pytest.mark.parametrize(
    ("pattern", "said"),
    [("narow", "the nearest are narrow"), ("zzz", "its modules are key, narrow, norm, positions, query")],
)
def test_a_pattern_that_names_no_module_is_an_error_with_the_nearest_ones(pattern: str, said: str) -> None:
    program, context, _ = encoder()
    for apply in (QuantizeStatic, QuantizeDynamic, QuantizeWeights, CastFp16):
        with pytest.raises(EdgeshipError, match=f"the part '{pattern}' names no module") as caught:
            apply(parts=[[pattern, "float32"]]).apply(program, context)
        assert said in caught.value.hint


def test_static_leaves_the_layers_that_its_parts_name_in_float() -> None:
    program, context, _ = digits()
    quantized = QuantizeStatic(parts=[["12", "float32"], ["1?", "float32"], ["12", "w8a8-static"]]).apply(
        program, context
    )
    sources = weight_sources(quantized)
    assert sources.pop("17") == "get_attr"
    assert {"9", "12"} < sources.keys()
    assert all("dequantize_per_channel" in source for source in sources.values())
    expected = answers(program, TEST)
    assert sqnr_db(expected, answers(quantized, TEST)) > 25


def test_a_float_relu6_keeps_its_convolution_from_running_into_it() -> None:
    program, context, _ = digits()
    quantized = QuantizeStatic(parts=[["2", "float32"]]).apply(program, context)
    clamps = {layer_of(node): node for node in nodes(quantized, lambda name: "hardtanh" in name)}
    assert "dequantize" in str(clamps["2"].args[0].target)
    assert "conv2d" in str(clamps["5"].args[0].target)
    assert sqnr_db(answers(program, TEST), answers(quantized, TEST)) > 25


def test_another_pass_takes_the_layers_that_static_left() -> None:
    program, context, _ = digits()
    static = QuantizeStatic(parts=[["12", "float32"], ["17", "float32"]])
    quantized, later = static.apply(program, context), replace(context, spec=static.spec(FLOAT32))
    for follow, operator in (
        (CastFp16(parts=[["12", "float32"]]), "aten.to.dtype"),
        (QuantizeWeights(parts=[["12", "float32"]]), "quantized_decomposed.dequantize_per_channel.default"),
        (QuantizeDynamic(parts=[["12", "float32"]]), "quantized_decomposed.dequantize_per_channel.default"),
    ):
        mixed = follow.apply(quantized, later)
        sources = weight_sources(mixed)
        assert (sources["12"], sources["17"]) == ("get_attr", operator)
        assert sqnr_db(answers(quantized, TEST), answers(mixed, TEST)) > 30
    assert nodes(mixed, lambda name: "choose_qparams" in name)


def test_dynamic_leaves_linear_layers_and_tables_that_its_parts_name() -> None:
    program, context, _ = encoder()
    quantized = QuantizeDynamic(parts=[["words", "float32"], ["narrow", "float32"]]).apply(program, context)
    sources = weight_sources(quantized)
    assert sources.pop("narrow") == "get_attr"
    assert set(sources.values()) == {"quantized_decomposed.dequantize_per_channel.default"}
    tables = QuantizeDynamic().apply(program, context)
    count = [len(nodes(p, lambda name: "embedding" in name)) for p in (quantized, tables)]
    assert count == [2, 3]  # the large table becomes two look-ups: integers and scales


def test_weights_take_as_many_bits_as_their_part_says() -> None:
    program, context, _ = encoder()
    quantizer = QuantizeWeights(
        bits=4, parts=[["query", "w8-weights"], ["narrow", "float32"], ["key", "w4-weights-g16"]]
    )
    weights = weight_sources(quantizer.apply(program, context))
    assert weights["narrow"] == "get_attr"
    assert weights["query"].endswith("dequantize_per_channel.default")
    assert {weights[layer] for layer in ("key", "value", "widen")} == {
        "quantized_decomposed.dequantize_per_channel_group.default"
    }


@pytest.mark.slow
def test_training_leaves_the_layers_that_its_parts_name_in_float() -> None:
    train, _ = digit_data()
    trained = Qat(epochs=1, parts=[["12", "float32"], ["17", "float32"]]).apply(
        trained_module(), training_context(training=replace(train, labels=None))
    )
    assert not nodes(trained, lambda name: "batch_norm" in name)
    assert accuracy(trained.module()) >= accuracy(trained_module()) - 0.01
    sources = weight_sources(trained)
    assert (sources.pop("12"), sources.pop("17")) == ("get_attr", "get_attr")
    assert all("dequantize_per_channel" in source for source in sources.values())

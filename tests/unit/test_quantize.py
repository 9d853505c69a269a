"""quantize-static: as good as the network, the same for every target, and loud where the data are bad."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from models import digit_data, digit_net
from quantize_context import answers, digits, encoder, nodes, operators, program_of, sqnr_db
from torch import nn

from edgeship.toolchain.api import FLOAT16, FLOAT32, W8A8_STATIC, EdgeshipError, Samples, folded
from edgeship.toolchain.model.program import load, save
from edgeship.toolchain.passes.quantize import QuantizeStatic

pytestmark = pytest.mark.heavy

TEST = digit_data()[1]


@pytest.fixture(scope="module")
def static():
    """The digit classifier, its context, and its quantized program."""
    program, context, warnings = digits()
    quantized = QuantizeStatic().apply(program, context)
    assert warnings == []
    return program, context, quantized


def assert_as_good_as_float(program, quantized):
    expected, found = answers(program, TEST), answers(quantized, TEST)
    assert sqnr_db(expected, found) > 25
    assert 0.95 < float(found.norm() / expected.norm()) < 1.05
    labels = torch.from_numpy(TEST.labels)
    accuracy = [float((logits.argmax(1) == labels).float().mean()) for logits in (expected, found)]
    assert accuracy[1] >= accuracy[0] - 0.01 > 0.9


def test_a_trained_network_keeps_its_answers_and_their_magnitude(static):
    program, _, quantized = static
    assert_as_good_as_float(program, quantized)


@pytest.mark.slow
def test_other_ways_to_find_ranges_keep_the_answers_too(static):
    program, context, _ = static
    scales = set()
    for ranges in ("histogram", "min-max", "percentile"):
        quantized = QuantizeStatic(ranges=ranges).apply(program, context)
        assert_as_good_as_float(program, quantized)
        scales.add(tuple(node.args[1] for node in nodes(quantized, lambda name: "quantize_per_tensor" in name)))
    assert len(scales) == 3


def test_every_convolution_runs_into_its_relu6_without_a_quantization_between_them(static):
    _, _, quantized = static
    clamps = nodes(quantized, lambda name: "hardtanh" in name)
    assert len(clamps) == 5
    assert all("conv2d" in str(clamp.args[0].target) for clamp in clamps)
    assert all("quantize_per_tensor" in str(user.target) for clamp in clamps for user in clamp.users)


def test_all_weights_become_integers_when_the_stored_program_is_folded(static, tmp_path: Path):
    _, context, quantized = static
    save(quantized, tmp_path / "model.pt2")
    loaded = load(tmp_path / "model.pt2")
    integers = folded(loaded, context.signature, context.example)
    expected = answers(quantized, TEST.take(range(8)))
    assert torch.equal(expected, answers(loaded, TEST.take(range(8))))
    assert torch.equal(expected, answers(integers, TEST.take(range(8))))
    matrices = [value for value in integers.state_dict.values() if value.dim() > 1]
    assert len(matrices) == 6
    assert {value.dtype for value in matrices} == {torch.int8}


def test_no_float_weight_is_left_beside_the_quantized_ones(static):
    count = operators(static[2])
    assert count["quantized_decomposed.quantize_per_channel.default"] == 6
    assert count["quantized_decomposed.dequantize_per_channel.default"] == 6
    assert count["aten.batch_norm.default"] == 0


@pytest.mark.slow
def test_another_process_makes_the_same_bytes(static, tmp_path: Path):
    script = (
        "import sys; from pathlib import Path; from quantize_context import digits\n"
        "from edgeship.toolchain.passes.quantize import QuantizeStatic\n"
        "from edgeship.toolchain.model.program import save\n"
        "program, context, _ = digits(); save(QuantizeStatic().apply(program, context), Path(sys.argv[1]))\n"
    )
    here, there = tmp_path / "here" / "model.pt2", tmp_path / "there" / "model.pt2"
    for path in (here, there):
        path.parent.mkdir()
    save(static[2], here)
    tests = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": f"{tests}:{tests.parent}", "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", script, str(there)], check=True, env=environment, capture_output=True)
    assert here.read_bytes() == there.read_bytes()


class Faint(nn.Module):
    """The digit classifier on images whose values are a hundred thousandth of what they were."""

    def __init__(self) -> None:
        super().__init__()
        self.net, _ = digit_net()
        self.net[0].weight.data *= 1e5

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.net(image)


def test_small_activations_are_not_lost_below_a_floor():
    _, (image,) = digit_net()
    samples = Samples({"image": digit_data()[0].inputs["image"][:32] * np.float32(1e-5)}, None)
    held_out = Samples({"image": TEST.inputs["image"][:100] * np.float32(1e-5)}, None)
    program, context, warnings = program_of(Faint().eval(), (image * 1e-5,), samples, ("image",))
    quantized = QuantizeStatic(ranges="min-max").apply(program, context)
    # under the stock floor of 2**-12 the image has one value
    assert sqnr_db(answers(program, held_out), answers(quantized, held_out)) > 25
    assert not [warning for warning in warnings if "floor" in warning]


def test_a_scale_on_the_floor_is_told():
    _, (image,) = digit_net()
    samples = Samples({"image": digit_data()[0].inputs["image"][:32] * np.float32(1e-9)}, None)
    program, context, warnings = program_of(digit_net()[0], (image * 1e-9,), samples, ("image",))
    QuantizeStatic(ranges="min-max").apply(program, context)
    assert any("floor" in warning for warning in warnings)


def test_integer_arithmetic_stays_integer():
    program, context, _ = encoder()
    quantized = QuantizeStatic(ranges="min-max").apply(program, context)
    positions = nodes(quantized, lambda name: "cumsum" in name)
    assert positions[0].meta["val"].dtype == torch.int64
    sums = nodes(quantized, lambda name: name in ("aten.add.Tensor", "aten.mul.Tensor"))
    kept = [node for node in sums if node.meta["val"].dtype == torch.int64]
    assert len(kept) == 2
    assert kept[1].args[1] == 1
    assert sqnr_db(answers(program, context.calibration), answers(quantized, context.calibration)) > 15


def test_a_dynamic_batch_survives_and_calibrates_in_batches():
    program, context, _ = digits(batch="batch")
    quantized = QuantizeStatic(ranges="min-max", batch_size=16).apply(program, context)
    images = torch.from_numpy(TEST.inputs["image"][:7, 0])
    with torch.no_grad():
        together = quantized.module()(images)[0]
    assert together.shape == (7, 10)
    assert sqnr_db(answers(quantized, TEST.take(range(7))), together) > 40


def test_two_inputs_with_a_dynamic_batch_calibrate_together():
    program, context, _ = encoder(batch="batch")
    quantized = QuantizeStatic(ranges="min-max").apply(program, context)
    assert sqnr_db(answers(program, context.calibration), answers(quantized, context.calibration)) > 15


def test_a_dead_channel_keeps_its_bias_within_int32():
    net, (image,) = digit_net()
    head = net[-1]
    head.weight.data[3] = 0
    head.weight.data[4] *= 1e-9
    head.bias.data[3:5] = 2.0
    program, context, _ = program_of(net, (image,), digit_data()[0].take(range(32)), ("image",))
    quantized = QuantizeStatic(ranges="min-max").apply(program, context)
    (linear,) = nodes(quantized, lambda name: "linear" in name)
    weight_scales = quantized.state_dict[linear.args[1].args[1].name.removeprefix("b_")]
    input_scale = linear.args[0].args[1]
    assert float((2.0 / (weight_scales[3:5] * input_scale)).max()) < 2**31
    assert sqnr_db(answers(program, TEST.take(range(100))), answers(quantized, TEST.take(range(100)))) > 25


def test_constant_calibration_data_are_told():
    net, (image,) = digit_net()
    samples = Samples({"image": np.zeros((20, *image.shape), np.float32)}, None)
    program, context, warnings = program_of(net, (image,), samples, ("image",))
    QuantizeStatic(ranges="min-max").apply(program, context)
    assert any("one value only" in warning for warning in warnings)


def test_no_calibration_data_are_refused():
    program, context, _ = digits()
    with pytest.raises(EdgeshipError, match="no calibration samples"):
        QuantizeStatic(ranges="min-max").apply(program, type(context)(**{**vars(context), "calibration": None}))


def test_only_a_float32_program_is_quantized():
    assert QuantizeStatic().spec(FLOAT32) == W8A8_STATIC
    for before in (FLOAT16, W8A8_STATIC):
        with pytest.raises(ValueError, match="already"):
            QuantizeStatic().spec(before)

"""One int8 program with one layer left in float: what each target's file holds of it, and what its runtime answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from models import digit_data
from quantize_context import answers, digits

from edgeship.targets.coreai.target import CoreAI
from edgeship.targets.coreml.target import CoreML
from edgeship.targets.executorch.target import ExecuTorch
from edgeship.targets.litert.target import LiteRT
from edgeship.targets.onnx.target import Onnx
from edgeship.targets.torchscript.target import TorchScript
from edgeship.toolchain import artifact as artifacts
from edgeship.toolchain.api import FLOAT32, W8A8_STATIC, Artifact, QuantSpec, Target
from edgeship.toolchain.devices.local import Local
from edgeship.toolchain.judge.case import Case
from edgeship.toolchain.judge.verdict import Verdict, judge
from edgeship.toolchain.passes.quantize import QuantizeStatic

pytestmark = pytest.mark.heavy

LAYER = 32 * 64 * 3 * 3
"""Weights of the network's last convolution, '12'."""
OTHERS = 9 * 16 + 16 * 48 + 9 * 48 + 48 * 32 + 64 * 10
BIASES = 16 + 48 + 48 + 32 + 64 + 10
TARGETS: list[tuple[Target, str]] = [
    (ExecuTorch(), "float32"),
    (Onnx(), "float32"),
    (LiteRT(), "float32"),
    (TorchScript(), "float32"),
    (CoreAI(), "float32"),
    (CoreML(), "float16"),  # what Core ML computes floats in
]


@pytest.fixture(scope="module")
def mixed():
    """The float program, the one with layer 12 left in float, and the context of what takes it."""
    program, context, _ = digits()
    quantize = QuantizeStatic(parts=[["12", "float32"]])
    spec = quantize.spec(FLOAT32)
    return program, quantize.apply(program, context), replace(context, spec=spec)


def judged(artifact: Artifact, folder: Path, spec: QuantSpec, program, reference) -> Verdict:
    """The verdict of this host on a file, against the program it was made from and the float model."""
    artifacts.write(artifact, folder)
    samples = digit_data()[1].take(range(16))
    expected, answer = ({"output": answers(p, samples).numpy()[:, None]} for p in (program, reference))
    with Local().open() as link:
        return judge(artifact, folder, link, Case(spec=spec, samples=samples, expected=expected, reference=answer))


@pytest.mark.parametrize(("target", "computes"), TARGETS, ids=lambda value: getattr(value, "format", value))
def test_a_file_holds_the_named_layer_in_float_and_the_others_in_int8(mixed, target, computes, tmp_path) -> None:
    reference, program, context = mixed
    assert target.unsupported(context.spec, dynamic=False) is None
    artifact = target.export(program, tmp_path, context)
    assert artifact.spec == "w8a8-static{12=float32}"
    assert artifact.dtypes["int8"] >= 5
    assert artifact.dtypes[computes] >= 1
    width = {"float32": 4, "float16": 2}[computes]
    assert OTHERS <= artifact.weight_bytes["int8"] < OTHERS + 600
    assert width * LAYER <= artifact.weight_bytes[computes] < width * LAYER + 4 * (BIASES + 300)
    verdict = judged(artifact, tmp_path, context.spec, program, reference)
    assert (verdict.verdict, verdict.reasons) == ("pass", ())
    assert verdict.against_float.sqnr_db > 25


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ({"dtypes": {"int8": 6}}, "no operator in the file is float"),
        ({"weight_bytes": {"int8": OTHERS}}, "no weight in the file is float"),
        ({"dtypes": {"float32": 6}}, "no operator in the file computes in int8"),
    ],
)
def test_a_file_that_lacks_what_a_part_asks_for_fails(mixed, lacking, said, tmp_path) -> None:
    reference, program, context = mixed
    artifact = Onnx().export(program, tmp_path, context).model_copy(update=lacking)
    verdict = judged(artifact, tmp_path, context.spec, program, reference)
    assert verdict.verdict == "fail"
    assert said in verdict.reasons[0]


def test_a_file_of_which_nothing_is_known_does_not_fail_for_that(mixed, tmp_path) -> None:
    reference, program, context = mixed
    artifact = Onnx().export(program, tmp_path, context).model_copy(update={"dtypes": None, "weight_bytes": None})
    verdict = judged(artifact, tmp_path, context.spec, program, reference)
    assert verdict.verdict == "pass"
    assert any("what the file computes in is unknown" in warning for warning in verdict.warnings)


def test_a_file_that_is_int8_throughout_has_no_such_weights(mixed, tmp_path) -> None:
    reference, _, context = mixed
    quantized = QuantizeStatic().apply(reference, replace(context, spec=FLOAT32))
    artifact = Onnx().export(quantized, tmp_path, replace(context, spec=W8A8_STATIC))
    assert artifact.weight_bytes["int8"] >= LAYER + OTHERS
    assert artifact.weight_bytes["float32"] < LAYER

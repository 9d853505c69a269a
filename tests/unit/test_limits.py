"""Limits come from the program's floor where it is known, never above what kernels reach; else they are fixed."""

from __future__ import annotations

import pytest

from edgeship.toolchain.artifact import Artifact, Runtime
from edgeship.toolchain.floor import Floor, OutputFloor
from edgeship.toolchain.judge.limits import FIXED, MARGIN_DB, MOST_DB, is_exact, threshold
from edgeship.toolchain.quant import parse

ARTIFACT = Artifact(
    format="onnx", file="m.onnx", spec="float32", runtime=Runtime(name="onnxruntime", minimum_version="1"),
    inputs=(), outputs=(), size_bytes=1, sha256="", dtypes={"float32": 1},
)  # fmt: skip
HALF = ARTIFACT.model_copy(update={"dtypes": {"float16": 9}})


def floor(*sqnr_db: float, loss_db: float = 0) -> Floor:
    outputs = {f"y{i}": OutputFloor(sqnr_db=db, worst_sample_db=db - 4) for i, db in enumerate(sqnr_db)}
    return Floor(outputs=outputs, loss_db=loss_db, half=False, runs=8, samples=16)


def test_a_deep_network_is_asked_for_less_and_a_shallow_one_for_more() -> None:
    static = parse("w8a8-static")
    assert threshold(static, ARTIFACT, {}, floor(19.3)).program_db == pytest.approx(16.3)
    found = threshold(static, ARTIFACT, {}, floor(52))
    assert (found.program_db, found.floor_db, found.loss_db) == (49, 52, 2)
    assert threshold(static, ARTIFACT, {}) == FIXED["static"]
    assert threshold(static, ARTIFACT, {}).floor_db is None


@pytest.mark.parametrize(
    ("spec", "kind"), [("float32", "float32"), ("w8a8-dynamic", "dynamic"), ("w8a8-static", "static")]
)
def test_no_floor_asks_for_more_than_kernels_reach(spec: str, kind: str) -> None:
    assert threshold(parse(spec), ARTIFACT, {}, floor(150)).program_db == MOST_DB[kind]


def test_each_output_has_its_own_limit() -> None:
    found = threshold(parse("w8a8-static"), ARTIFACT, {}, floor(40, 22))
    assert found.outputs == {"y0": 40 - MARGIN_DB, "y1": 22 - MARGIN_DB}
    assert found.program_db == 22 - MARGIN_DB


def test_a_float_file_is_asked_for_no_more_against_the_model_than_against_its_program() -> None:
    assert threshold(parse("float32"), HALF, {}, floor(34)).float_db == pytest.approx(31)
    assert threshold(parse("float32"), HALF, {}, floor(59)).float_db == 40
    assert threshold(parse("float32"), HALF, {"float32": 20}, floor(34)).float_db == 20


def test_what_a_noisy_run_loses_a_file_may_lose_too() -> None:
    assert threshold(parse("w8a8-static"), ARTIFACT, {}, floor(20, loss_db=1.5)).loss_db == pytest.approx(3.5)


def test_a_file_that_rounds_activations_of_its_own_accord_keeps_the_fixed_limit() -> None:
    rounding = ARTIFACT.model_copy(update={"rounds_activations": True})
    found = threshold(parse("w8-weights"), rounding, {}, floor(110))
    assert (found.program_db, found.floor_db) == (25, None)


def test_only_float32_arithmetic_is_exact() -> None:
    assert is_exact(parse("float32"), ARTIFACT)
    assert is_exact(parse("w8-weights"), ARTIFACT)
    assert not is_exact(parse("float32"), HALF)
    assert not is_exact(parse("w8a8-dynamic"), ARTIFACT)

"""Parity figures: right on known cases, and never fooled by dead outputs."""

import numpy as np
import pytest

from edgeship.toolchain.judge.parity import compare, cosine, sqnr_db

RANDOM = np.random.default_rng(0)
REFERENCE = RANDOM.standard_normal((8, 10)).astype(np.float32)


def test_sqnr_of_one_percent_noise_is_forty_decibel() -> None:
    assert sqnr_db(REFERENCE, REFERENCE * 1.01) == pytest.approx(40, abs=0.01)
    assert cosine(REFERENCE, REFERENCE * 1.01) == pytest.approx(1)


def test_equal_outputs_agree() -> None:
    found = compare({"y": REFERENCE}, {"y": REFERENCE.copy()})
    assert (found.sqnr_db, found.max_abs, found.top1_agreement, found.problems) == (200, 0, 1, ())


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (np.zeros_like(REFERENCE), "zero everywhere"),
        (np.tile(REFERENCE[:1], (8, 1)), "the same for every input"),
        (np.where(np.arange(8)[:, None] == 3, np.nan, REFERENCE), "NaN or infinite on 1 of 8"),
        (np.where(np.arange(8)[:, None] == 3, np.inf, REFERENCE), "NaN or infinite on 1 of 8"),
        (REFERENCE[:, :9], "has shape [9], expected [10]"),
    ],
)
def test_dead_or_misshapen_outputs_are_problems(answer: np.ndarray, problem: str) -> None:
    assert any(problem in text for text in compare({"y": REFERENCE}, {"y": answer}).problems)


def test_a_dead_reference_proves_nothing() -> None:
    zeros = np.zeros_like(REFERENCE)
    assert "proves nothing" in compare({"y": zeros}, {"y": zeros}).problems[0]
    constant = np.ones_like(REFERENCE)
    assert "proves nothing" in compare({"y": constant}, {"y": constant}).problems[0]


def test_a_missing_output_is_a_problem_and_the_worst_output_counts() -> None:
    two = {"a": REFERENCE, "b": REFERENCE}
    assert "output 'b' is missing" in compare(two, {"a": REFERENCE}).problems
    found = compare(two, {"a": REFERENCE, "b": REFERENCE * 1.1})
    assert found.worst_output == "b"
    assert found.sqnr_db == pytest.approx(20, abs=0.01)


def test_one_wrong_sample_shows_in_the_worst_sample() -> None:
    answer = REFERENCE.copy()
    answer[5] = -answer[5]
    found = compare({"y": REFERENCE}, {"y": answer})
    assert found.worst_sample_sqnr_db == pytest.approx(-6.02, abs=0.01)
    assert found.top1_agreement == pytest.approx(7 / 8)

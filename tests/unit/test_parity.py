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
        (np.where(np.arange(8)[:, None] == 3, np.nan, REFERENCE), "NaN or infinite on 1 of 8"),
        (np.where(np.arange(8)[:, None] == 3, np.inf, REFERENCE), "NaN or infinite on 1 of 8"),
        (REFERENCE[:, :9], "has shape [9], expected [10]"),
    ],
)
def test_misshapen_or_infinite_outputs_are_problems(answer: np.ndarray, problem: str) -> None:
    assert any(problem in text for text in compare({"y": REFERENCE}, {"y": answer}).problems)


def test_spread_is_what_depends_on_the_sample() -> None:
    level = np.full((8, 10), 100, np.float32)
    (found,) = compare({"y": level + REFERENCE}, {"y": level + 0.5 * REFERENCE}).outputs
    assert found.spread == pytest.approx(float(np.sqrt(np.mean((REFERENCE - REFERENCE.mean(0)) ** 2))), rel=1e-4)
    assert found.varying_sqnr_db == pytest.approx(6.02, abs=0.01)
    assert found.variation == pytest.approx(0.5, rel=1e-4)
    assert found.sqnr_db > 45 > (found.constancy_db or 0) > 40


def test_all_expected_samples_tell_the_spread_and_only_the_first_are_compared() -> None:
    found = compare({"y": REFERENCE}, {"y": REFERENCE[:2]})
    assert (found.samples, found.sqnr_db) == (2, 200)
    assert found.outputs[0].spread == compare({"y": REFERENCE}, {"y": REFERENCE}).outputs[0].spread


def test_squares_of_tiny_values_do_not_vanish() -> None:
    (found,) = compare({"y": REFERENCE * 1e-30}, {"y": REFERENCE * 1.01e-30}).outputs
    assert found.sqnr_db == pytest.approx(40, abs=0.1)
    assert found.magnitude == pytest.approx(1e-30, rel=0.2)


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

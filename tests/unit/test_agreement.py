"""One output agrees, differs, or nobody can tell: near-constant outputs are compared without their mean."""

from __future__ import annotations

import numpy as np
import pytest

from edgeship.toolchain.judge.agreement import Agreement, Question, agreements, open_questions
from edgeship.toolchain.judge.limits import FIXED
from edgeship.toolchain.judge.parity import compare

RANDOM = np.random.default_rng(0)
ALIVE = RANDOM.standard_normal((8, 1, 10))
LEVEL = RANDOM.uniform(0.5, 2, (1, 1, 10))


def nearly_constant(spread: float, magnitude: float = 1.0) -> np.ndarray:
    """An untrained network's outputs: one answer, and `spread` of its size that depends on the sample."""
    return magnitude * LEVEL * (1 + spread * ALIVE)


def outcome(expected: np.ndarray, answer: np.ndarray, kind: str = "float32") -> Agreement:
    asked = Question("its own program", FIXED[kind].program_db, kind, exact=FIXED[kind].program_db >= 50)
    found = compare({"y": expected.astype(np.float32)}, {"y": answer.astype(np.float32)})
    (one,) = agreements(found, asked)
    return one


def rounded(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    """To int8 over the range of `like`, with the quantizer's least step."""
    step = max((max(like.max(), 0) - min(like.min(), 0)) / 255, 2**-23)
    return np.round(values / step) * step


@pytest.mark.parametrize("kind", FIXED)
def test_living_outputs_are_judged_by_the_limit_alone(kind: str) -> None:
    limit = FIXED[kind].program_db
    for excess, expected in ((1.0, "agrees"), (-1.0, "differs")):
        noise = (
            10 ** (-(limit + excess) / 20) * np.sqrt(np.mean(ALIVE**2)) * np.sign(RANDOM.standard_normal((8, 1, 10)))
        )
        assert outcome(ALIVE, ALIVE + noise, kind).outcome == expected


@pytest.mark.parametrize("kind", FIXED)
@pytest.mark.parametrize("spread", [1.0, 0.1, 0.02])
def test_zeros_and_constants_differ_where_the_reference_varies(kind: str, spread: float) -> None:
    expected = nearly_constant(spread)
    for answer, reason in (
        (np.zeros_like(expected), "zero everywhere"),
        (np.broadcast_to(expected.mean(0), expected.shape), "the same for every input"),
        (expected[:1] + 1e-9 * ALIVE, "the same for every input"),
    ):
        found = outcome(expected, answer, kind)
        assert (found.outcome, reason in found.reason) == ("differs", True), found


@pytest.mark.parametrize("spread", [1e-2, 1e-4, 1e-5])
def test_a_constant_is_no_float_file_of_a_nearly_constant_network(spread: float) -> None:
    """Plain SQNR calls it near: 100 dB at a spread of 1e-5."""
    expected = nearly_constant(spread)
    assert outcome(expected, expected + 1e-7 * ALIVE).outcome == "agrees"
    assert outcome(expected, np.broadcast_to(expected.mean(0), expected.shape)).outcome == "differs"
    noisy = expected.mean(0) + np.roll(expected - expected.mean(0), 1, axis=0)
    assert outcome(expected, noisy).outcome == ("differs" if spread > 3e-5 else "undecided")


def test_a_spread_of_float32_rounding_cannot_be_judged() -> None:
    expected = nearly_constant(1e-7)
    found = outcome(expected, expected.mean(0) + 0 * expected)
    assert found.outcome == "undecided"
    assert "hardly depends on the input (it varies by" in found.reason
    assert outcome(expected, expected).outcome == "undecided"  # equal bit by bit, and yet it shows nothing


def test_int8_need_not_resolve_what_lies_below_its_step_but_must_have_the_magnitude() -> None:
    expected = nearly_constant(5e-4)
    found = outcome(expected, rounded(expected, expected), "static")
    assert found.outcome == "undecided"
    assert outcome(expected, np.broadcast_to(rounded(expected[:1], expected), expected.shape), "static").outcome == (
        "undecided"
    )
    for wrong in (expected * 1.2, np.zeros_like(expected), -expected):
        assert outcome(expected, rounded(wrong, expected), "static").outcome == "differs"


def test_values_below_what_int8_can_show_may_be_zero_there_and_nowhere_else() -> None:
    """An untrained MobileNetV2."""
    expected = 1e-9 * ALIVE
    assert outcome(expected, np.zeros_like(expected), "static").outcome == "undecided"
    assert outcome(expected, expected * 1.01, "static").outcome == "agrees"  # it follows its inputs all the same
    assert outcome(expected, np.zeros_like(expected), "float32").outcome == "differs"
    assert outcome(expected, expected * 1.00001, "float32").outcome == "agrees"
    assert outcome(expected, expected + 0.01, "static").outcome == "differs"


def test_zeros_for_zeros_prove_nothing() -> None:
    zeros = np.zeros_like(ALIVE)
    assert outcome(zeros, zeros).outcome == "undecided"
    assert outcome(zeros, ALIVE).outcome == "differs"


def test_one_sample_shows_no_spread_and_is_judged_by_the_limit() -> None:
    assert outcome(ALIVE[:1], ALIVE[:1]).outcome == "agrees"


def test_outputs_are_decided_one_by_one() -> None:
    """A constant table beside living outputs is noted; a nearly constant head leaves the question open."""
    anchors = np.broadcast_to(LEVEL, ALIVE.shape)
    head = nearly_constant(1e-8)
    expected = {"boxes": ALIVE, "anchors": anchors, "scores": head}
    found = compare(expected, {**expected, "scores": np.broadcast_to(head[:1], head.shape)})
    judged = agreements(found, Question("its own program", 60, "float32", exact=True))
    assert [one.outcome for one in judged] == ["agrees", "undecided", "undecided"]
    reasons, notes = open_questions(judged)
    assert "'scores'" in reasons[0]
    assert notes == ["output 'anchors' is the same for every input"]
    assert len(open_questions(judged[1:2])[0]) == 1  # alone it proves nothing

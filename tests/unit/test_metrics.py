"""Scores per sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeship.toolchain.api import DataError
from edgeship.toolchain.metrics.cosine import Cosine
from edgeship.toolchain.metrics.python import Python
from edgeship.toolchain.metrics.top1 import Top1

LOGITS = np.array([[[1.0, 3.0]], [[2.0, 1.0]], [[0.0, 5.0]]], np.float32)  # [3, batch 1, 2 classes]
LABELS = np.array([1, 0, 0])


def test_top1_scores_each_sample() -> None:
    assert Top1().score({"logits": LOGITS}, LABELS, {}).tolist() == [1, 1, 0]
    two = {"boxes": np.zeros((3, 1, 4)), "logits": LOGITS}
    assert Top1(output="logits").score(two, LABELS, {}).tolist() == [1, 1, 0]


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan])
def test_an_answer_that_says_nothing_is_no_hit(value: float) -> None:
    silent = np.full_like(LOGITS, value)
    assert Top1().score({"logits": silent}, np.zeros(3, int), {}).tolist() == [0, 0, 0]
    partly = LOGITS.copy()
    partly[1, 0, 0] = np.nan  # argmax would point at it, and the label is 0
    assert Top1().score({"logits": partly}, LABELS, {}).tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("outputs", "labels", "message"),
    [
        ({"logits": LOGITS}, None, "no labels"),
        ({"logits": np.zeros((3, 1, 4, 2))}, LABELS, "not one row of logits"),
        ({"logits": LOGITS}, LABELS[:2], "not 3 class numbers"),
        ({"logits": LOGITS}, LABELS.astype(float), "class numbers"),
    ],
)
def test_top1_says_what_it_cannot_score(outputs: dict[str, Any], labels: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Top1().score(outputs, labels, {})


def test_cosine_compares_with_the_float_model() -> None:
    ours = np.array([[1.0, 0], [0, 2], [-1, 0], [0, 0], [np.nan, 1]])[:, None]
    theirs = np.array([[2.0, 0], [1, 1], [1, 0], [1, 0], [1, 0]])[:, None]
    scores = Cosine().score({"y": ours}, None, {"y": theirs})
    np.testing.assert_allclose(scores, [1, 0.5**0.5, -1, 0, 0])
    with pytest.raises(DataError, match="no output 'z'"):
        Cosine(output="z").score({"y": ours}, None, {"y": theirs})


def test_a_users_function_scores(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(
        "import numpy as np\n"
        "def near(outputs, labels, reference): return np.abs(outputs['y'][:, 0] - labels) < 0.5\n"
        "def short(outputs, labels, reference): return [1.0]\n"
        "def nan(outputs, labels, reference): return labels * np.nan\n"
        "def broken(outputs, labels, reference): return outputs['z']\n"
    )

    def score(name: str) -> list[float]:
        metric = Python(function=f"{tmp_path}/m.py:{name}")
        return metric.score({"y": np.array([[1.0], [9.0]])}, np.array([1, 2]), {}).tolist()

    assert score("near") == [1, 0]
    for name, message in (("short", "1.* for 2 samples"), ("nan", "2 scores are NaN"), ("broken", "KeyError")):
        with pytest.raises(DataError, match=message):
            score(name)

"""Calibration data that looks wrong is reported, sound data is not."""

from __future__ import annotations

import numpy as np
import pytest

from edgeship.calibration.checks import check_calibration
from edgeship.toolchain.api import Array, Samples

RNG = np.random.default_rng(0)
LABELS = np.arange(200) % 10


def images(count: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).random((count, 1, 3, 8, 8), dtype=np.float32)


EVALUATION = Samples({"image": images(200)}, LABELS)


def warnings(array: Array, labels: Array | None = None, evaluation: Samples | None = EVALUATION) -> str:
    return " ".join(check_calibration(Samples({"image": array}, labels), evaluation))


@pytest.mark.parametrize("count", [32, 64])
def test_sound_data_raises_no_alarm(count: int) -> None:
    assert not warnings(images(count, seed=1), LABELS[:count])
    half_as_wide = images(count, seed=1) * 0.6
    assert not warnings(half_as_wide)


def test_few_samples_are_reported() -> None:
    assert "4 samples" in warnings(images(4))


def test_equal_samples_are_reported() -> None:
    assert "all 32 calibration samples are equal" in warnings(images(1).repeat(32, axis=0))


def test_constant_samples_are_reported() -> None:
    blank = images(32)
    blank[3] = 0.5
    assert "1 of 32 calibration samples are one constant value" in warnings(blank)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x * 255, "255 times wider; one of the two was not scaled"),
        (lambda x: x / 255, "255 times narrower; one of the two was not scaled"),
        (lambda x: (x - 0.45) / 0.22, "4.54 times wider"),
        (lambda x: x + 1, "deviations apart"),
    ],
)
def test_another_range_than_the_evaluation_datas_is_reported(change: object, message: str) -> None:
    assert callable(change)
    assert message in warnings(change(images(64, seed=1)))


def test_pixels_that_were_not_scaled_are_reported_without_evaluation_data() -> None:
    assert "look like pixels" in warnings(np.round(images(32) * 255), evaluation=None)


def test_missing_classes_are_reported() -> None:
    assert "1 of 10 classes" in warnings(images(32), np.zeros(32, np.int64))


def test_token_ids_of_another_vocabulary_are_reported() -> None:
    ids = RNG.integers(0, 30000, (64, 1, 16))
    mask = np.ones((64, 1, 16), np.int64)
    evaluation = Samples({"ids": ids, "mask": mask})
    others = np.random.default_rng(1).integers(0, 30000, (64, 1, 16))
    assert not check_calibration(Samples({"ids": others, "mask": mask}), evaluation)
    assert "ids" in " ".join(check_calibration(Samples({"ids": ids // 100, "mask": mask}), evaluation))


def test_files_that_are_judged_on_their_calibration_data_are_told() -> None:
    assert "judged on its own calibration data" in warnings(images(64, seed=1), evaluation=None)
    some = np.concatenate([images(40, seed=1), EVALUATION.inputs["image"][:24]])
    assert "24 of 200 evaluation samples are in both" in warnings(some)


def test_nearly_constant_and_nearly_equal_samples_are_reported() -> None:
    grey = 0.5 + 0.002 * RNG.random((32, 1, 3, 8, 8), dtype=np.float32)
    assert "32 of 32 calibration samples are nearly one constant value" in warnings(grey, evaluation=None)
    alike = images(1).repeat(32, axis=0) + 0.001 * RNG.random((32, 1, 3, 8, 8), dtype=np.float32)
    assert "all 32 calibration samples are nearly equal" in warnings(alike, evaluation=None)
    assert "nearly" not in warnings(images(32), evaluation=None)


def test_rare_spikes_raise_no_alarm() -> None:
    def spiked(count: int, seed: int, share: float) -> Array:
        found = images(count, seed)
        found[np.random.default_rng(seed).random(found.shape) < share] = 100
        return found

    assert not warnings(spiked(32, 1, 0.0005), evaluation=Samples({"image": spiked(64, 2, 0.002)}))


def test_ids_that_float32_cannot_hold_are_reported() -> None:
    ids = RNG.integers(0, 1 << 25, (32, 1, 16))
    assert "whole numbers up to" in warnings(ids.astype(np.float32), evaluation=None)
    assert "whole numbers" not in warnings(ids, evaluation=None)
    assert "whole numbers" not in warnings((ids % 50_000).astype(np.float32), evaluation=None)

"""Synthesized tones, whose pitch is known exactly, and the metric: is the answer within 50 cents of it?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16_000
FRAME = 1024
LOWEST_HZ, HIGHEST_HZ = 60.0, 1000.0
CENTS_PER_BIN = 20
FIRST_BIN_CENTS = 1997.3794084376191  # CREPE's bins start here, counted from 10 Hz
TOLERANCE_CENTS = 50


def tones(count: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Frames [n, 1024] of tones with harmonics and noise, and their pitch in cents above 10 Hz [n]."""
    rng = np.random.default_rng(seed)
    pitch_hz = np.exp(rng.uniform(np.log(LOWEST_HZ), np.log(HIGHEST_HZ), count))
    time_s = np.arange(FRAME) / SAMPLE_RATE_HZ
    frames = np.zeros((count, FRAME))
    for harmonic in range(1, 9):
        # harmonics fall off as in voices and strings, those above half the sample rate do not exist
        loudness = rng.uniform(0.3, 1, count) / harmonic * (pitch_hz * harmonic < SAMPLE_RATE_HZ / 2)
        phase = rng.uniform(0, 2 * np.pi, count)
        frames += loudness[:, None] * np.sin(2 * np.pi * harmonic * pitch_hz[:, None] * time_s + phase[:, None])
    noise_db = rng.uniform(-40, -15, count)
    power = frames.std(1) * 10 ** (noise_db / 20)
    frames += power[:, None] * rng.standard_normal(frames.shape)
    frames -= frames.mean(1, keepdims=True)
    frames /= frames.std(1, keepdims=True)  # what torchcrepe does before its net
    return frames.astype(np.float32), 1200 * np.log2(pitch_hz / 10)


def calibration() -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    return tones(128, seed=1)


def evaluation() -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    return tones(600, seed=2)


def within_50_cents(
    outputs: dict[str, NDArray[np.float32]],
    labels: NDArray[np.float64],
    reference: dict[str, NDArray[np.float32]],
) -> NDArray[np.bool_]:
    """Whether each frame's pitch was found; labels in cents above 10 Hz [n]."""
    bins = outputs["bins"].reshape(len(labels), -1)
    # CREPE's decoding: the mean of the nine bins around the strongest, weighted by their probability
    strongest = np.nan_to_num(bins).argmax(1)
    around = np.clip(strongest[:, None] + np.arange(-4, 5), 0, bins.shape[1] - 1)
    weights = np.take_along_axis(bins, around, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cents = (weights * (CENTS_PER_BIN * around + FIRST_BIN_CENTS)).sum(1) / weights.sum(1)
    return np.abs(cents - labels) <= TOLERANCE_CENTS  # NaN is never within

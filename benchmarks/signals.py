"""Made-up sound, features, frames and token ids with structure: inputs of the networks that take no images."""

from __future__ import annotations

import itertools

import numpy as np
from images import structured
from numpy.typing import NDArray

Floats = NDArray[np.float32]
RATE = 8000


def waves(count: int, length: int, seed: int) -> Floats:
    """Voiced tones with harmonics, a moving pitch and loudness, and bursts of noise: [count, 1, 1, length]."""
    rng = np.random.default_rng(seed)
    time = np.arange(length) / RATE
    found = np.empty((count, 1, 1, length), np.float32)
    for index in range(count):
        pitch = rng.uniform(90, 300) * (1 + 0.1 * np.sin(2 * np.pi * rng.uniform(2, 6) * time))
        phase = 2 * np.pi * np.cumsum(pitch) / RATE
        voice = sum(np.sin(k * phase) * rng.uniform(0.2, 1) / k for k in range(1, 8))
        loud = np.clip(np.sin(2 * np.pi * rng.uniform(1, 4) * time + rng.uniform(0, 6)), 0, 1)
        burst = np.clip(np.sin(2 * np.pi * rng.uniform(2, 7) * time + rng.uniform(0, 6)) - 0.5, 0, 1)
        wave = voice * loud + burst * rng.standard_normal(length) + 0.01 * rng.standard_normal(length)
        found[index, 0, 0] = wave / wave.std()
    return found


def bands(count: int, frames: int, number: int, seed: int) -> Floats:
    """Normalized log energies of such sound in `number` bands: [count, 1, frames, number]."""
    hop = 160
    sound = waves(count, hop * frames + 96, seed)[:, 0, 0]
    windows = np.lib.stride_tricks.sliding_window_view(sound, 256, axis=1)[:, ::hop][:, :frames]
    power = np.abs(np.fft.rfft(windows * np.hanning(256), axis=2)) ** 2
    edges = np.geomspace(2, power.shape[2], number + 1).astype(int)
    edges = np.maximum.accumulate(np.maximum(edges, np.arange(number + 1) + 2))
    energy = np.stack([power[:, :, a:b].mean(2) for a, b in itertools.pairwise(edges)], 2)
    logs = np.log(energy + 1e-4)
    return ((logs - logs.mean()) / logs.std()).astype(np.float32)[:, None]


def frames(count: int, length: int, size: int, seed: int) -> Floats:
    """An image that moves: [count, 1, 3, length, size, size]."""
    still = structured(count, size + 2 * length, seed)[:, 0]
    return np.stack([still[:, None, :, 2 * i : 2 * i + size, 2 * i : 2 * i + size] for i in range(length)], 3)


def tokens(count: int, length: int, vocabulary: int, seed: int) -> NDArray[np.int64]:
    """Ids as frequent as words are (Zipf): [count, 1, length]."""
    rng = np.random.default_rng(seed)
    return np.minimum(rng.zipf(1.3, (count, 1, length)), vocabulary - 1).astype(np.int64)

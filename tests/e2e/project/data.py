"""The data of the end-to-end tests' own project: made up, seeded, learnable."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def images() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """64 noise pictures [64, 3, 16, 16], each as bright as its label says."""
    labels = np.arange(64) % 10
    noise = np.random.default_rng(0).standard_normal((64, 3, 16, 16))
    return (noise + labels[:, None, None, None] / 5).astype(np.float32), labels


def sentences() -> dict[str, NDArray[np.int64]]:
    """32 token rows [32, 12] and their masks."""
    random = np.random.default_rng(1)
    lengths = random.integers(4, 13, 32)
    mask = (np.arange(12) < lengths[:, None]).astype(np.int64)
    return {"input_ids": random.integers(1, 50, (32, 12)) * mask, "attention_mask": mask}


def frames() -> dict[str, NDArray[np.float32]]:
    """32 consecutive frames [32, 8] and the state before the first."""
    random = np.random.default_rng(2)
    return {
        "frame": random.standard_normal((32, 8)).astype(np.float32),
        "state": np.zeros((32, 16), dtype=np.float32),
    }

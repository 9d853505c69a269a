"""Which samples of a data set are used: the first, random ones, or as many of each class."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeship.calibration.datasets.indexed import IndexedDataset
from edgeship.toolchain.api import Array, DataError, Dataset, Samples, Signature

How = Literal["first", "random", "stratified"]


def read_selected(
    dataset: Dataset, signature: Signature, count: int | None = None, how: How = "first", seed: int = 0
) -> Samples:
    """Read `count` samples of a data set (None: all), chosen as `select` does.

    Where the data set can tell its labels beforehand only the chosen samples are read, so a big folder costs nothing.
    """
    if isinstance(dataset, IndexedDataset):
        total, labels = dataset.index()
        return _warned(dataset.read_rows(signature, select_rows(total, labels, count, how, seed).tolist()), count)
    return select(dataset.read(signature, count if how == "first" else None), count, how, seed)


def select(samples: Samples, count: int | None = None, how: How = "first", seed: int = 0) -> Samples:
    """Choose `count` of these samples, with a warning when there are fewer."""
    return _warned(samples.take(select_rows(len(samples), samples.labels, count, how, seed)), count)


def select_rows(total: int, labels: Array | None, count: int | None, how: How, seed: int) -> NDArray[np.int64]:
    """Positions of the chosen among `total` samples; the same seed chooses the same ones.

    `first` keeps the order, `random` shuffles, `stratified` takes as many of each label as it can. DataError when
    stratified without class labels.
    """
    wanted = total if count is None else min(count, total)
    rng = np.random.default_rng(seed)
    if how == "first":
        return np.arange(wanted)
    if how == "random":
        return rng.permutation(total)[:wanted]
    if labels is None or labels.ndim != 1 or labels.dtype.kind not in "iub":
        raise DataError('select = "stratified": the data has no class labels', 'say "random" or "first"')
    return _stratified(labels, rng)[:wanted]


def _stratified(labels: Array, rng: np.random.Generator) -> NDArray[np.int64]:
    """All positions, shuffled, so that every beginning has each class as evenly as it can."""
    shuffled = rng.permutation(len(labels))
    turn = np.empty(len(labels), dtype=np.int64)  # how many of its class stand before it
    for label in np.unique(labels):
        mine = labels[shuffled] == label
        turn[mine] = np.arange(mine.sum())
    return shuffled[np.argsort(turn, kind="stable")]


def _warned(samples: Samples, count: int | None) -> Samples:
    if count is None or len(samples) >= count:
        return samples
    fewer = f"{count} samples were asked for, there are {len(samples)}"
    return replace(samples, warnings=(*samples.warnings, fewer))

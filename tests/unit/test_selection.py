"""Which samples are chosen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from edgeship.calibration.datasets.indexed import IndexedDataset
from edgeship.calibration.selection import read_selected, select
from edgeship.toolchain.api import Array, DataError, Samples, Signature

LABELS = np.repeat([0, 1, 2], [90, 9, 3])  # sorted and uneven, as folders are
SAMPLES = Samples({"x": np.arange(102.0)[:, None]}, LABELS)


def values(samples: Samples) -> list[float]:
    return list(samples.inputs["x"][:, 0])


def test_the_first_keep_their_order() -> None:
    assert values(select(SAMPLES, 4)) == [0, 1, 2, 3]
    assert len(select(SAMPLES)) == 102


def test_random_samples_follow_their_seed() -> None:
    chosen = values(select(SAMPLES, 20, "random", 1))
    assert chosen == values(select(SAMPLES, 20, "random", 1))
    assert chosen != values(select(SAMPLES, 20, "random", 2))
    assert len(set(chosen)) == 20
    assert max(chosen) > 30


def test_stratified_samples_hold_each_class_as_evenly_as_they_can() -> None:
    chosen = select(SAMPLES, 12, "stratified", 0)
    assert chosen.labels is not None
    assert np.bincount(chosen.labels).tolist() == [5, 4, 3]
    np.testing.assert_array_equal(chosen.labels, LABELS[chosen.inputs["x"][:, 0].astype(int)])
    assert values(chosen) != values(select(SAMPLES, 12, "stratified", 1))


def test_stratified_needs_labels() -> None:
    with pytest.raises(DataError, match="no class labels"):
        select(Samples(SAMPLES.inputs), 4, "stratified")


def test_fewer_samples_than_asked_for_are_reported() -> None:
    assert select(SAMPLES, 200).warnings == ("200 samples were asked for, there are 102",)
    assert not select(SAMPLES, 102).warnings


def test_an_indexed_data_set_reads_only_what_was_chosen() -> None:
    read: list[int] = []

    class Big(IndexedDataset):
        def index(self) -> tuple[int, Array | None]:
            return len(LABELS), LABELS

        def read_rows(self, signature: Signature, rows: Sequence[int]) -> Samples:
            read.extend(rows)
            return SAMPLES.take(list(rows))

    chosen = read_selected(Big(), Signature((), ()), 6, "stratified", 0)
    assert chosen.labels is not None
    assert np.bincount(chosen.labels).tolist() == [2, 2, 2]
    assert len(read) == 6

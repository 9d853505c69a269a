"""Samples as the inputs of calls."""

from __future__ import annotations

import numpy as np

from edgeship.toolchain.samples import Samples

SAMPLES = Samples({"image": np.arange(24, dtype=np.float32).reshape(6, 1, 4), "gain": np.arange(6, dtype=np.float32)})


def test_samples_are_joined_along_their_first_dimension() -> None:
    images = Samples({"image": SAMPLES.inputs["image"]})
    joined = images.joined([4, 1, 4])["image"]
    assert joined.shape == (3, 4)
    assert joined[:, 0].tolist() == [16, 4, 16]
    np.testing.assert_array_equal(images.joined(np.array([2, 3]))["image"], images.inputs["image"][2:4, 0])


def test_one_sample_keeps_its_shape_and_is_a_copy() -> None:
    one = SAMPLES.joined([5])
    assert one["image"].shape == (1, 4)
    assert one["gain"].shape == ()
    assert one["gain"] == 5
    assert not np.shares_memory(one["image"], SAMPLES.inputs["image"])

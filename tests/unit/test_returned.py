"""What users' data functions return: taken whatever usual form it has, or refused with what is needed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from edgeship.calibration.datasets.function import Python
from edgeship.calibration.datasets.returned import MOST, collect
from edgeship.toolchain.api import Array, DataError, Samples, Signature, Tensor

X = np.random.default_rng(0).normal(size=(5, 3, 4)).astype(np.float32)
Y = np.arange(5)
ONE = Signature((Tensor(name="image", dtype="float32", shape=("batch", 3, 4)),), (), {"batch": (1, 8)})
TWO = Signature((Tensor(name="ids", dtype="int64", shape=(1, 4)), Tensor(name="mask", dtype="int64", shape=(1, 4))), ())
IDS = np.arange(20).reshape(5, 4)
MASK = np.ones((5, 4), np.int64)


class Pairs(Dataset[Any]):
    """A map-style data set that never raises IndexError."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> Any:
        return torch.from_numpy(X[index % 5]), int(Y[index % 5])


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return zip(torch.from_numpy(X), Y, strict=True)


def batches() -> Iterator[Any]:
    yield X[:2], Y[:2]
    yield X[2:], Y[2:]


TENSORS = TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))


@pytest.mark.parametrize(
    "given",
    [
        (X, Y),
        (torch.from_numpy(X).requires_grad_(), torch.from_numpy(Y)),
        (list(X), list(Y)),
        (list(torch.from_numpy(X)), Y.tolist()),
        (X.tolist(), Y.tolist()),
        ({"image": X}, Y),
        ((X,), Y),
        {"image": X, "labels": Y},
        {"pixel_values": X, "label": Y},
        Samples({"image": X}, Y),
        batches(),
        list(batches()),
        list(zip(X, Y, strict=True)),
        [(X[i : i + 1], Y[i : i + 1]) for i in range(5)],
        [(X[i : i + 1], int(Y[i])) for i in range(5)],
        [{"image": X[i], "labels": Y[i]} for i in range(5)],
        DataLoader(TENSORS, batch_size=2),
        DataLoader(Stream(), batch_size=2),
        TENSORS,
        Pairs(),
        Stream(),
    ],
    ids=lambda given: type(given).__name__,
)
def test_every_usual_form_of_labelled_samples_is_the_same_data(given: Any) -> None:
    samples = collect(given, ONE, None, "here")
    np.testing.assert_array_equal(samples.inputs["image"], X[:, None])
    assert samples.labels is not None
    assert samples.labels.tolist() == Y.tolist()
    assert not samples.warnings


@pytest.mark.parametrize(
    "given", [X, X[:, None], torch.from_numpy(X), list(X), X.tolist(), iter(X), (X,), ([X, None]), [X[:2], X[2:]]]
)
def test_samples_without_labels_have_none(given: Any) -> None:
    if isinstance(given, list) and given[-1] is None:
        given = tuple(given)
    samples = collect(given, ONE, None, "here")
    np.testing.assert_array_equal(samples.inputs["image"], X[:, None])
    assert samples.labels is None


@pytest.mark.parametrize("one", [X[0], torch.from_numpy(X[0]), X[:1], X[:1, None], [X[0]], (X[0],), {"image": X[0]}])
def test_one_sample_may_come_without_any_leading_axis(one: Any) -> None:
    np.testing.assert_array_equal(collect(one, ONE, None, "here").inputs["image"], X[:1, None])


def test_an_input_without_a_batch_axis_tells_one_from_many_by_its_axes() -> None:
    spectrum = Signature(
        (Tensor(name="s", dtype="float32", shape=("time", 4)),), (), {"time": (2, 9)}
    )  # never 1: no batch
    assert collect(X[0], spectrum, None, "here").inputs["s"].shape == (1, 3, 4)
    assert collect(X, spectrum, None, "here").inputs["s"].shape == (5, 3, 4)
    fixed = Signature((Tensor(name="s", dtype="float32", shape=(3, 4)),), ())
    assert collect((X[0], 7), fixed, None, "here").inputs["s"].shape == (1, 3, 4)


@pytest.mark.parametrize(
    "given",
    [
        (IDS, MASK, Y),
        [IDS, MASK, Y],
        ((IDS, MASK), Y),
        ({"mask": MASK, "ids": IDS, "token_type_ids": MASK}, Y),
        {"mask": MASK, "ids": IDS, "labels": Y},
        [(IDS[i], MASK[i], Y[i]) for i in range(5)],
        [([IDS[i], MASK[i]], Y[i]) for i in range(5)],
        DataLoader(TensorDataset(torch.from_numpy(IDS), torch.from_numpy(MASK), torch.from_numpy(Y)), batch_size=3),
    ],
)
def test_several_inputs_come_by_name_or_in_order(given: Any) -> None:
    samples = collect(given, TWO, None, "here")
    np.testing.assert_array_equal(samples.inputs["ids"][:, 0], IDS)
    np.testing.assert_array_equal(samples.inputs["mask"][:, 0], MASK)
    assert samples.labels is not None
    assert samples.labels.tolist() == Y.tolist()


def test_a_limit_asks_for_no_more_items_than_it_needs() -> None:
    asked: list[int] = []

    def endless() -> Iterator[Array]:
        for index in itertools.count():
            asked.append(index)
            yield X[:2]

    assert len(collect(endless(), ONE, 3, "here")) == 3
    assert asked == [0, 1]


def test_what_never_ends_is_cut_and_says_so() -> None:
    samples = collect(itertools.repeat(X[0]), ONE, None, "here")
    assert len(samples) == MOST
    assert any("may not end" in warning for warning in samples.warnings)
    assert len(collect([X[0]] * (MOST + 1), ONE, None, "here")) == MOST + 1  # a length is an end


def broken() -> Iterator[Any]:
    yield X[0]
    raise KeyError("picture 2")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "here: None, which holds no samples"),
        ("./photos", "a str, which holds no samples"),
        (len, "a builtin_function_or_method, which holds no samples"),
        (Pairs, "the class Pairs"),
        ([], "no samples"),
        (iter(()), "that yields nothing"),
        (["a.png"], "item 0: a str, which is no sample"),
        ((X, Y, Y), "3 values"),
        ((X, Y[:3]), "different numbers of samples"),
        ([(X, Y), (X, None)], "1 of 2 items have no labels"),
        (X[:, :2], r"shape \[5, 2, 4\] where \[n, batch, 3, 4\] is needed"),
        ([X[0], X[:, :2]], "item 1: input image: shape"),
        ((X * 255).astype(np.uint8), "uint8 where float32 is needed"),
        (torch.from_numpy(X).bfloat16(), "not an array of numbers"),
        ({"a": X, "b": X}, "no data for input image"),
        (broken(), "KeyError: 'picture 2'"),
    ],
)
def test_what_cannot_be_samples_says_what_was_given(given: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        collect(given, ONE, None, "here")
    assert caught.value.hint


def test_samples_of_different_lengths_are_to_be_padded() -> None:
    free = Signature((Tensor(name="ids", dtype="int64", shape=(1, "n")),), (), {"n": (1, 9)})
    with pytest.raises(DataError, match="samples of different shapes") as caught:
        collect([np.ones((1, 3), int), np.ones((1, 4), int)], free, None, "here")
    assert "pad" in caught.value.hint
    with pytest.raises(DataError, match="one array for 2 inputs"):
        collect(IDS, TWO, None, "here")


def test_a_function_that_is_a_generator_stops_after_the_samples_wanted(tmp_path: Path) -> None:
    (tmp_path / "d.py").write_text(
        "import numpy as np\ndef endless():\n    while True:\n        yield np.ones((2, 3, 4), 'float32'), [0, 1]\n"
    )
    read: Callable[..., Samples] = Python(function=f"{tmp_path}/d.py:endless").read
    assert len(read(ONE, 5)) == 5

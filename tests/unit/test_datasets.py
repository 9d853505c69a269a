"""Sources of samples: what they read, and what they say about data that does not fit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgeship.calibration.datasets.arrays import Arrays
from edgeship.calibration.datasets.conform import conform
from edgeship.calibration.datasets.function import Python
from edgeship.calibration.datasets.huggingface import HuggingFace
from edgeship.calibration.datasets.images import ImageFolder
from edgeship.calibration.datasets.synthetic import Synthetic
from edgeship.calibration.datasets.text import Text
from edgeship.toolchain import registry
from edgeship.toolchain.api import DataError, Dataset, Samples, Signature, Tensor

IMAGE = Signature((Tensor(name="image", dtype="float32", shape=("batch", 3, 4, 4)),), (), {"batch": (1, 8)})
TOKENS = Signature(
    (
        Tensor(name="input_ids", dtype="int64", shape=(1, 8)),
        Tensor(name="attention_mask", dtype="int64", shape=(1, 8)),
    ),
    (),
)
COLOURS = {"blue": (0, 0, 255), "red": (255, 0, 0)}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for name, colour in COLOURS.items():
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (8, 6), colour).save(tmp_path / "pictures" / name / f"{number}.png")
    return tmp_path / "pictures"


def folder(path: Path, **options: Any) -> ImageFolder:
    return ImageFolder.model_validate({"path": path, "preprocess": {"resize": [4, 4]}, **options})


def test_every_registered_dataset_can_be_loaded() -> None:
    for name in registry.names("datasets"):
        assert registry.load("datasets", name).model_fields is not None


def test_class_folders_become_labels(pictures: Path) -> None:
    samples = folder(pictures).read(IMAGE, None)
    assert samples.inputs["image"].shape == (6, 1, 3, 4, 4)
    assert samples.labels is not None
    assert samples.labels.tolist() == [0, 0, 0, 1, 1, 1]
    np.testing.assert_array_equal(samples.inputs["image"][3, 0, :, 0, 0], [1, 0, 0])
    reordered = folder(pictures, classes=["red", "blue"]).read(IMAGE, 2)
    np.testing.assert_array_equal(reordered.inputs["image"][0, 0, :, 0, 0], [1, 0, 0])
    assert len(folder(pictures).files()) == 6


def test_a_picture_is_turned_as_its_exif_orientation_says(tmp_path: Path) -> None:
    upright = Image.new("RGB", (4, 4), (0, 0, 0))
    upright.paste((255, 255, 255), (0, 0, 4, 2))  # white above
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its left side
    upright.rotate(90).save(tmp_path / "lying.png", exif=exif)
    image = folder(tmp_path).read(IMAGE, None).inputs["image"][0, 0, 0]
    assert image[0].tolist() == [1, 1, 1, 1]
    assert image[3].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: (path / "red" / "3.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing"), "3.png: not a readable"),
        (lambda path: Image.new("RGB", (8, 8)).save(path / "stray.png"), "beside class folders"),
        (lambda path: [file.unlink() for file in path.rglob("*.png")], "no pictures"),
    ],
)
def test_a_spoiled_folder_is_named(pictures: Path, spoil: Any, message: str) -> None:
    spoil(pictures)
    with pytest.raises(DataError, match=message):
        folder(pictures).read(IMAGE, None)


def test_a_missing_folder_or_class_is_named(pictures: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        folder(pictures / "none").files()
    with pytest.raises(DataError, match="green"):
        folder(pictures, classes=["green"]).index()


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_arrays_are_read_by_name(tmp_path: Path, suffix: str) -> None:
    from safetensors.numpy import save_file

    path = tmp_path / f"data{suffix}"
    arrays = {"input_ids": np.ones((5, 8), np.int32), "mask": np.ones((5, 8), np.int64), "labels": np.arange(5)}
    save_file(arrays, path) if suffix == ".safetensors" else np.savez(path, **arrays)
    samples = Arrays(path=path, keys={"attention_mask": "mask"}).read(TOKENS, 3)
    assert {name: (array.shape, str(array.dtype)) for name, array in samples.inputs.items()} == {
        "input_ids": ((3, 1, 8), "int64"),
        "attention_mask": ((3, 1, 8), "int64"),
    }
    assert samples.labels is not None
    assert samples.labels.tolist() == [0, 1, 2]
    with pytest.raises(DataError, match="no array for input attention_mask"):
        Arrays(path=path).read(TOKENS, None)
    with pytest.raises(DataError, match="no key 'truth'"):
        Arrays(path=path, labels="truth").read(TOKENS, None)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match="not a readable"):
        Arrays(path=path).read(TOKENS, None)


def test_a_npy_file_feeds_the_only_input(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((5, 3, 4, 4)))
    assert Arrays(path=tmp_path / "x.npy").read(IMAGE, None).inputs["image"].dtype == np.float32
    with pytest.raises(DataError, match="no such file"):
        Arrays(path=tmp_path / "y.npy").read(IMAGE, None)


GOOD = np.ones((4, 3, 4, 4), np.float32)


@pytest.mark.parametrize(
    ("inputs", "labels", "message"),
    [
        ({"picture": GOOD}, None, "no data for input image"),
        (GOOD[:, :, :2], None, "shape"),
        (GOOD.transpose(0, 2, 3, 1), None, r"\[n, batch, 3, 4, 4\]"),
        ((GOOD * 255).astype(np.uint8), None, "uint8 where float32 is needed"),
        (GOOD[:0], None, "no samples"),
        (np.where(np.arange(4)[:, None, None, None] == 2, np.nan, GOOD), None, "1 of 4 samples, first in sample 2"),
        (GOOD.astype(np.float64) * 1e300, None, "do not fit float32"),
        (GOOD, np.arange(3), "different numbers"),
        ([[1], [1, 2]], None, "not an array of numbers"),
    ],
)
def test_data_that_does_not_fit_is_refused(inputs: Any, labels: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        conform(inputs, labels, IMAGE, "here")


def test_a_batch_dimension_may_be_there_or_not() -> None:
    assert conform(GOOD, None, IMAGE, "here").inputs["image"].shape == (4, 1, 3, 4, 4)
    assert conform(GOOD[:, None], None, IMAGE, "here").inputs["image"].shape == (4, 1, 3, 4, 4)


def test_integers_that_do_not_fit_are_refused() -> None:
    small = Signature((Tensor(name="ids", dtype="int8", shape=(1, 2)),), ())
    assert conform(np.full((3, 2), 127), None, small, "here").inputs["ids"].dtype == np.int8
    with pytest.raises(DataError, match="do not fit int8"):
        conform(np.full((3, 2), 128), None, small, "here")


def test_dynamic_sizes_keep_their_bounds_and_agree() -> None:
    tensors = [Tensor(name=name, dtype="int64", shape=(1, "length")) for name in "ab"]
    signature = Signature(tuple(tensors), (), {"length": (2, 6)})
    row = np.ones((3, 1, 6), np.int64)
    assert len(conform({"a": row, "b": row}, None, signature, "here")) == 3
    with pytest.raises(DataError, match="shape"):
        conform({"a": np.ones((3, 1, 7), np.int64), "b": row}, None, signature, "here")
    with pytest.raises(DataError, match="dimension length is 6"):
        conform({"a": row, "b": row[:, :, :4]}, None, signature, "here")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import PreTrainedTokenizerFast

    tokens = Tokenizer(WordLevel({"[PAD]": 0, "[UNK]": 1, "good": 2, "bad": 3}, unk_token="[UNK]"))
    tokens.pre_tokenizer = Whitespace()
    path = tmp_path_factory.mktemp("tokenizer")
    PreTrainedTokenizerFast(tokenizer_object=tokens, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(path)
    return path


def test_text_is_padded_to_the_models_length(tmp_path: Path, tokenizer: Path) -> None:
    (tmp_path / "lines.txt").write_text("good bad\n\nbad\n")
    dataset = Text(path=tmp_path / "lines.txt", tokenizer=str(tokenizer))
    samples = dataset.read(TOKENS, None)
    assert samples.inputs["input_ids"].tolist() == [[[2, 3, 0, 0, 0, 0, 0, 0]], [[3, 0, 0, 0, 0, 0, 0, 0]]]
    assert samples.inputs["attention_mask"].sum(axis=(1, 2)).tolist() == [2, 1]
    assert tokenizer / "tokenizer.json" in dataset.files()


def test_jsonl_carries_labels_and_names_its_bad_lines(tmp_path: Path, tokenizer: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"review": "good", "stars": 5}, {"review": "bad bad", "stars": 1}]
    path.write_text("\n".join(map(json.dumps, rows)))
    dataset = Text(path=path, tokenizer=str(tokenizer), text="review", label="stars")
    labels = dataset.read(TOKENS, None).labels
    assert labels is not None
    assert labels.tolist() == [5, 1]
    for line, message in (("{}", "rows.jsonl:3: no key review, stars"), ("[1", "rows.jsonl:3: not JSON")):
        path.write_text("\n".join([*map(json.dumps, rows), line]))
        with pytest.raises(DataError, match=message):
            dataset.read(TOKENS, None)


def test_text_says_what_is_missing(tmp_path: Path, tokenizer: Path) -> None:
    (tmp_path / "lines.txt").write_text("good\n")
    with pytest.raises(DataError, match="no such folder"):
        Text(path=tmp_path / "lines.txt", tokenizer=str(tmp_path / "none")).read(TOKENS, None)
    with pytest.raises(DataError, match="cannot be read"):
        Text(path=tmp_path / "none.txt", tokenizer=str(tokenizer)).read(TOKENS, None)
    free = Signature((Tensor(name="input_ids", dtype="int64", shape=(1, "n")),), (), {"n": (1, 9)})
    with pytest.raises(DataError, match="any length"):
        Text(path=tmp_path / "lines.txt", tokenizer=str(tokenizer)).read(free, None)
    assert Text(path=tmp_path / "lines.txt", tokenizer=str(tokenizer), max_length=5).read(free, None).inputs[
        "input_ids"
    ].shape == (1, 1, 5)


def test_a_function_answers_inputs_labels_or_samples(tmp_path: Path) -> None:
    (tmp_path / "d.py").write_text(
        "import numpy as np\n"
        "from edgeship.toolchain.api import Samples\n"
        "def images(n=4): return np.ones((n, 3, 4, 4), 'float32')\n"
        "def pair(): return {'image': images()}, np.arange(4)\n"
        "def samples(): return Samples({'image': images()}, synthetic=True)\n"
        "def broken(): return 1 / 0\n"
    )

    def read(name: str, **arguments: Any) -> Samples:
        return Python(function=f"{tmp_path}/d.py:{name}", arguments=arguments).read(IMAGE, 3)

    assert len(read("images")) == 3
    assert len(read("images", n=2)) == 2
    labels = read("pair").labels
    assert labels is not None
    assert labels.tolist() == [0, 1, 2]
    assert read("samples").synthetic
    assert not read("pair").synthetic
    with pytest.raises(DataError, match="ZeroDivisionError"):
        read("broken")
    assert Python(function=f"{tmp_path}/d.py:pair", reads=(tmp_path,)).files() == [tmp_path / "d.py"] * 2


def test_a_hugging_face_data_set_is_read_from_disk(tmp_path: Path) -> None:
    import datasets

    pictures = [Image.new("RGB", (8, 6), colour) for colour in COLOURS.values()]
    table = datasets.Dataset.from_dict({"img": pictures, "truth": [0, 1], "x": np.ones((2, 3, 4, 4)).tolist()})
    datasets.DatasetDict({"test": table}).save_to_disk(str(tmp_path / "saved"))
    options = {"path": tmp_path / "saved", "split": "test", "label": "truth", "columns": {"image": "img"}}
    dataset = HuggingFace.model_validate({**options, "preprocess": {"resize": [4, 4]}})
    samples = dataset.read(IMAGE, None)
    np.testing.assert_array_equal(samples.inputs["image"][:, 0, :, 0, 0], [[0, 0, 1], [1, 0, 0]])
    assert samples.labels is not None
    assert samples.labels.tolist() == [0, 1]
    assert dataset.files()
    numbers = HuggingFace.model_validate({**options, "columns": {"image": "x"}})
    assert numbers.read(IMAGE, 1).inputs["image"].dtype == np.float32
    for change, message in (
        ({"split": None}, "no split None"),
        ({"columns": {}}, "no column 'image'"),
        ({"label": "none"}, "no column 'none'"),
        ({"path": tmp_path}, "not a readable data set"),
        ({}, "declare preprocess|holds pictures"),
    ):
        with pytest.raises(DataError, match=message):
            HuggingFace.model_validate({**options, **change}).read(IMAGE, None)


def test_synthetic_data_is_flagged_seeded_and_within_its_range() -> None:
    dataset = Synthetic(ranges={"input_ids": (5, 9), "attention_mask": (1, 1)}, seed=3)
    samples = dataset.read(TOKENS, None)
    assert samples.synthetic
    assert samples.warnings
    assert samples.inputs["input_ids"].min() == 5
    assert samples.inputs["input_ids"].max() == 9
    np.testing.assert_array_equal(samples.inputs["input_ids"], dataset.read(TOKENS, None).inputs["input_ids"])
    other = Synthetic(ranges=dataset.ranges, seed=4).read(TOKENS, None)
    assert (other.inputs["input_ids"] != samples.inputs["input_ids"]).any()
    image = Synthetic(ranges={"image": (-2, 2)}).read(IMAGE, 100).inputs["image"]
    assert image.shape == (100, 1, 3, 4, 4)
    assert -2 <= image.min() < -1.9


def test_synthetic_integers_need_a_range() -> None:
    with pytest.raises(DataError, match="which values are valid"):
        Synthetic().read(TOKENS, None)
    with pytest.raises(DataError, match="ranges names picture"):
        Synthetic(ranges={"picture": (0, 1)}).read(IMAGE, None)
    with pytest.raises(ValueError, match="lowest comes first"):
        Synthetic(ranges={"image": (1, 0)})


def test_synthetic_data_keeps_to_the_inputs_own_range() -> None:
    signature = replace(TOKENS, ranges={"input_ids": (7, 9), "attention_mask": (1, 1)})
    samples = Synthetic().read(signature, 40)
    assert set(np.unique(samples.inputs["input_ids"])) == {7, 8, 9}
    assert set(np.unique(samples.inputs["attention_mask"])) == {1}
    assert Synthetic(ranges={"input_ids": (3, 3)}).read(signature, 2).inputs["input_ids"].max() == 3


@pytest.mark.parametrize(
    ("dataset", "signature", "message"),
    [
        (Synthetic(), TOKENS, "input_ids, attention_mask: integers are made up"),
        (Arrays(path=Path("x.npz"), keys={"picture": "x"}), IMAGE, "keys names picture"),
        (folder(Path("x")), TOKENS, "pictures for 2 inputs"),
        (folder(Path("x"), preprocess={"crop": [9, 9]}), IMAGE, "preprocess makes 3 × 9 × 9"),
        (HuggingFace(path=Path("x"), columns={"picture": "x"}), IMAGE, "columns names picture"),
        (Text(path=Path("x"), tokenizer="t", max_length=9), TOKENS, "max_length = 9, the model takes 8 tokens"),
    ],
)
def test_what_cannot_fit_is_known_before_anything_is_read(dataset: Dataset, signature: Signature, message: str) -> None:
    with pytest.raises(DataError, match=message):
        dataset.check(signature)

"""[contract] in_graph: pictures go in as bytes, probabilities come out, and nothing else changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edgeship.calibration.preprocess import Preprocess
from edgeship.toolchain.artifact import Contract, ImageInput, Tensor
from edgeship.toolchain.build.builder import Builder
from edgeship.toolchain.build.executor import Slots
from edgeship.toolchain.build.lines import Built, Stopped
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.errors import DataError
from edgeship.toolchain.model.in_graph import fold, left_to_the_app, samples_in_graph, source_in_graph
from edgeship.toolchain.model.program import export, flatten
from edgeship.toolchain.model.source import ModelInput, ModelSource, declared
from edgeship.toolchain.recipe.read import from_tables
from edgeship.toolchain.samples import Samples, load_samples
from tests.unit.test_builder import InProcess

SAID = ImageInput(crop=(9, 7), colour="bgr", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
CONTRACT = Contract(inputs={"image": SAID}, labels=("a", "b", "c"), logits="scores")
SOURCE = ModelSource(
    factory="./net.py:build",
    inputs=(ModelInput(name="image", shape=("batch", 3, 9, 7)), ModelInput(name="bias", shape=(3,))),
    dims={"batch": (1, 4)},
)
SIGNATURE = declared(
    SOURCE,
    (
        Tensor(name="seen", dtype="float32", shape=("batch", 3, 9, 7)),
        Tensor(name="scores", dtype="float32", shape=("batch", 3)),
    ),
)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution = nn.Conv2d(3, 8, 3)
        self.head = nn.Linear(8, 3)

    def forward(self, image: torch.Tensor, bias: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return image * 1, self.head(self.convolution(image).relu().mean((2, 3))) + bias


def stored(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 1, 9, 7, 3), dtype=np.uint8)


def numbers(pictures: np.ndarray, said: ImageInput) -> np.ndarray:
    """What the contract's own library makes of pictures that need no resizing."""
    preprocess = Preprocess(**{**said.model_dump(), "colour": "rgb"})
    return np.stack([[preprocess.apply(one) for one in sample] for sample in pictures])


def test_a_folded_program_answers_what_the_app_and_the_model_answer_together() -> None:
    net, pictures, bias = Net().eval(), stored(4), torch.randn(3)
    said = numbers(pictures, SAID)
    module = flatten(net, 2)
    program = export(module, (torch.from_numpy(said[0]), bias), SIGNATURE)
    signature = declared(source_in_graph(SOURCE, CONTRACT), SIGNATURE.outputs)
    folded = fold(program, SIGNATURE, signature, CONTRACT, (torch.from_numpy(pictures[0]), bias))
    assert [(t.name, t.dtype, t.shape) for t in signature.inputs] == [
        ("image", "uint8", ("batch", 9, 7, 3)),
        ("bias", "float32", (3,)),
    ]
    with torch.no_grad():
        for picture, made in zip(pictures, said, strict=True):
            seen, scores = folded.module()(torch.from_numpy(picture), bias)
            assert torch.equal(seen, torch.from_numpy(made))
            # a convolution adds numbers up in another order where its picture lies otherwise in memory
            assert torch.allclose(scores, net(torch.from_numpy(made), bias)[1].softmax(-1), rtol=1e-5)
        _, together = folded.module()(torch.from_numpy(np.concatenate(pictures)), bias)
    assert together.shape == (4, 3)


@pytest.mark.parametrize(
    "said",
    [
        ImageInput(),
        ImageInput(scale=1.0, layout="hwc"),
        ImageInput(scale=1 / 127.5, mean=(1.0,)),
        ImageInput(scale=1.0, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375), layout="hwc"),
    ],
)
def test_samples_become_the_bytes_that_they_were_made_of(said: ImageInput) -> None:
    pictures = stored(5)
    samples = Samples({"image": numbers(pictures, said)}, np.arange(5))
    found, warnings = samples_in_graph(samples, Contract(inputs={"image": said}))
    assert warnings == ()
    assert found.inputs["image"].dtype == np.uint8
    assert np.array_equal(found.inputs["image"], pictures)
    assert found.labels is samples.labels


def test_numbers_between_bytes_are_a_warning_and_those_beyond_them_an_error() -> None:
    contract = Contract(inputs={"image": ImageInput()})
    between = Samples({"image": (stored(2).transpose(0, 1, 4, 2, 3).clip(1, 254) + 0.3).astype(np.float32) / 255})
    found, (warning,) = samples_in_graph(between, contract)
    assert "up to 0.30 of a step" in warning
    assert np.array_equal(found.inputs["image"], stored(2).clip(1, 254))
    beyond = Samples({"image": np.random.default_rng(0).normal(size=(2, 1, 3, 9, 7)).astype(np.float32)})
    with pytest.raises(DataError, match=r"values from -\d+.* to \d+.*, and stored ones are 0 to 255"):
        samples_in_graph(beyond, contract)


def test_an_app_keeps_what_is_not_exact_in_a_graph() -> None:
    left = left_to_the_app(CONTRACT)
    assert left.inputs == {"image": ImageInput(crop=(9, 7), colour="bgr", scale=1.0, layout="hwc")}
    assert (left.logits, left.probabilities, left.labels) == (None, "scores", ("a", "b", "c"))


NET = """
import torch

def build():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(280, 3))
"""
DATA = """
import numpy as np

def pictures():
    stored = np.random.default_rng(0).integers(0, 256, (6, 3, 9, 7)).astype(np.float32)
    return (stored * np.float32(1 / 255) - np.float32(0.5)) / np.float32(0.25)
"""
TABLES = {
    "model": {
        "factory": "./net.py:build",
        "inputs": [{"name": "image", "shape": ["batch", 3, 9, 7]}],
        "outputs": ["scores"],
        "dims": {"batch": [1, 4]},
    },
    "calibration": {"source": "python", "function": "./data.py:pictures"},
    "contract": {
        "pictures": {"image": {"resize": [9, 7], "mean": [0.5], "std": [0.25]}},
        "logits": "scores",
        "in_graph": True,
    },
    "variants": {"float": [], "int8": ["quantize-static"]},
    "targets": {"onnx": {}, "torchscript": {}},
}


def built(folder: Path, tables: dict[str, Any]) -> tuple[list[Built | Stopped], InProcess]:
    (folder / "net.py").write_text(NET)
    (folder / "data.py").write_text(DATA)
    executor = InProcess()
    recipe = from_tables(tables, folder, "test", "net")
    builder = Builder(recipe, Store(folder / "store"), executor, Slots(1, 10**12), lambda event: None)
    return sorted(builder.build(), key=lambda line: line.plan.name), executor


@pytest.mark.heavy
def test_every_line_of_a_recipe_takes_bytes_and_is_compared_on_them(tmp_path: Path) -> None:
    lines, _ = built(tmp_path, TABLES)
    for line in lines:
        assert isinstance(line, Built)
        assert [(t.dtype, t.shape) for t in line.artifact.inputs] == [("uint8", ("batch", 9, 7, 3))]
        contract = line.artifact.contract
        assert contract.inputs["image"] == ImageInput(resize=(9, 7), scale=1.0, layout="hwc")
        assert (contract.logits, contract.probabilities) == (None, "scores")
        assert contract.ranges == {"image": (0, 255)}
        assert not any("in_graph" in warning for warning in line.warnings)
        compared = line.comparison
        assert load_samples(compared.samples).inputs["image"].dtype == np.uint8
        for answers in (compared.reference, compared.expected):
            assert np.allclose(load_samples(answers).inputs["scores"].sum(-1), 1)
    assert [line.artifact.spec for line in lines if isinstance(line, Built)][::2] == ["float32", "w8a8-static"]
    again, executor = built(tmp_path, TABLES)
    assert executor.ran == []
    assert [line.plan.name for line in again] == [line.plan.name for line in lines]


def test_a_contract_with_nothing_to_fold_stops_its_lines(tmp_path: Path) -> None:
    lines, _ = built(tmp_path, {**TABLES, "contract": {"in_graph": True}, "variants": {"float": []}})
    for line in lines:
        assert isinstance(line, Stopped)
        assert (line.stage, line.reason) == ("contract", "model: in_graph has nothing to fold")


def test_logits_that_the_model_does_not_answer_stop_its_lines(tmp_path: Path) -> None:
    model = {name: value for name, value in TABLES["model"].items() if name != "outputs"}
    contract = {**TABLES["contract"], "logits": "class"}
    lines, _ = built(tmp_path, {**TABLES, "model": model, "contract": contract, "variants": {"float": []}})
    for line in lines:
        assert isinstance(line, Stopped)
        assert (line.stage, line.hint) == ("contract", "its outputs are output")
        assert line.reason == "model: there is no output 'class', which [contract] calls logits"

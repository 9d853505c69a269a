"""artifact.json tells an app how its pictures become inputs and what the classes are called."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from workplace import Workplace

RECIPE = """
name = "pictures"
[model]
factory = "./model.py:build"
inputs = [{{ name = "image", shape = [1, 3, 16, 16] }}]
outputs = ["logits"]
[calibration]
source = "image-folder"
path = "./photos"
preprocess = {{ resize = 16, crop = [16, 16], mean = [0.5, 0.4, 0.3], std = [0.2] }}
[evaluation]
source = "image-folder"
path = "./photos"
preprocess = {{ resize = 16, crop = [16, 16], mean = {mean}, std = [0.2] }}
[targets.torchscript]
"""


def photos(folder: Path) -> None:
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for index in range(4):
            pixels = random.integers(0, 256, (24, 20, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index}.png")


def test_preprocessing_and_labels_travel_in_artifact_json(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "project", tmp_path / "cache")
    photos(place.folder / "photos")
    report = place.json("run", place.recipe("recipe.toml", RECIPE.format(mean=[0.5, 0.4, 0.3])), "--no-measure")
    file = next((place.folder / "runs").rglob("artifact.json"))
    contract = json.loads(file.read_text())["contract"]
    assert contract["labels"] == ["cat", "dog"]
    assert contract["inputs"]["image"]["crop"] == [16, 16]
    assert contract["inputs"]["image"]["mean"] == [0.5, 0.4, 0.3]
    assert report["lines"][0]["artifact"]["contract"]["labels"] == ["cat", "dog"]
    assert not [warning for warning in report["warnings"] if "preprocessed" in warning]


@pytest.mark.slow
def test_data_sets_that_are_preprocessed_differently_are_told(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "project", tmp_path / "cache")
    photos(place.folder / "photos")
    report = place.json("run", place.recipe("recipe.toml", RECIPE.format(mean=[0.1])), "--no-measure")
    told = [*report["warnings"], *report["lines"][0]["warnings"]]
    assert any("calibration and evaluation data are preprocessed in different ways" in warning for warning in told)

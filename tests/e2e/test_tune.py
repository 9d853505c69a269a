"""`tune` measures and decides, the lock carries the decision, and the build follows it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from workplace import Workplace, recipe_text

ANALYSIS = """
[analyses.noise]
analysis = "weight-noise"
variant = "int8"
min_sqnr_db = 1000.0
most = 1
"""


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path / "project", tmp_path / "cache")


def built(place: Workplace) -> dict[str, Any]:
    [line] = place.json("run", "recipe.toml", "--no-measure")["lines"]
    assert line["verdict"] == "pass", line
    return {"spec": line["spec"], "sha256": line["artifact"]["sha256"], "dtypes": line["artifact"]["dtypes"]}


@pytest.mark.slow
def test_a_lock_changes_what_is_built_and_without_it_the_recipe_alone_counts(place: Workplace) -> None:
    place.recipe("recipe.toml", recipe_text("onnx", variants='int8 = ["quantize-static"]') + ANALYSIS)
    alone = built(place)
    done = place.edgeship("tune", "recipe.toml")
    assert done.returncode == 0, done.stderr
    assert "variants.int8[0] (quantize-static), decided by noise" in done.stdout
    lock = json.loads((place.folder / "recipe.lock").read_text())
    [[layer, spec]] = lock["decisions"]["variants.int8[0]"]["options"]["parts"]
    assert spec == "float32"
    decided = built(place)
    assert decided["spec"] == f"w8a8-static{{{layer}=float32}}"
    assert decided["sha256"] != alone["sha256"]
    assert (place.runs()[-1] / "recipe.lock").is_file()
    (place.folder / "recipe.lock").unlink()
    assert built(place) == alone


def test_a_recipe_without_an_analysis_has_nothing_to_decide(place: Workplace) -> None:
    done = place.edgeship("tune", place.recipe("recipe.toml", recipe_text("onnx")))
    assert (done.returncode, "has no analysis" in done.stderr) == (2, True)
    assert not (place.folder / "recipe.lock").exists()

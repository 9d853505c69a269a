"""recipe.lock: what an analysis decided reaches the pass, and a decision that no longer fits is an error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgeship.toolchain.errors import RecipeError
from edgeship.toolchain.passes.quantize import QuantizeStatic
from edgeship.toolchain.recipe import read as recipes
from edgeship.toolchain.recipe.lock import Decision, Lock, file_of

RECIPE = """
[model]
factory = "torch.nn:ReLU"
inputs = [{ name = "x", shape = [1, 4] }]
[calibration]
source = "synthetic"
[variants]
int8 = ["quantize-static"]
[targets.onnx]
[analyses.noise]
analysis = "weight-noise"
variant = "int8"
"""
PARTS = [["head", "float32"]]


def locked(tmp_path: Path, place: str = "variants.int8[0]", text: str = RECIPE, **changes: Any) -> Path:
    file = tmp_path / "recipe.toml"
    file.write_text(text)
    values = {"analysis": "noise", "pass": "quantize-static", "options": {"parts": PARTS}, **changes}
    file_of(file).write_text(Lock(decisions={place: Decision.model_validate(values)}).text)
    return file


def test_a_decision_becomes_options_of_its_pass(tmp_path: Path) -> None:
    file = locked(tmp_path)
    [step] = recipes.read(file).plans[0].steps
    assert isinstance(step.plugin, QuantizeStatic)
    assert (step.plugin.parts, step.decided_by) == ((("head", "float32"),), "noise")
    assert str(step.spec) == "w8a8-static{head=float32}"
    file_of(file).unlink()
    [step] = recipes.read(file).plans[0].steps
    assert (str(step.spec), step.decided_by) == ("w8a8-static", "")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"place": "variants.int8[1]"}, "the recipe has no such pass"),
        ({"pass": "cast-fp16"}, "the lock decides for cast-fp16, the recipe has quantize-static"),
        ({"options": {"party": PARTS}}, "variants.int8[0].party: there is no such key"),
        (
            {"text": RECIPE.replace('["quantize-static"]', '[{ pass = "quantize-static", parts = [] }]')},
            "parts: set in the recipe and decided in the lock",
        ),
    ],
)
def test_a_decision_that_does_not_fit_the_recipe_is_one_error(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError) as error:
        recipes.read(locked(tmp_path, **changes))
    assert message in str(error.value)
    assert "1 problem" in str(error.value)


@pytest.mark.parametrize("content", ["", "[]", '{"schema": "edgeship-lock/9"}', "[" * 100_000])
def test_what_is_no_lock_is_said_with_the_way_out(tmp_path: Path, content: str) -> None:
    file = locked(tmp_path)
    file_of(file).write_text(content)
    with pytest.raises(RecipeError) as error:
        recipes.read(file)
    assert "recipe.lock: is not an edgeship-lock/1" in str(error.value)
    assert "edgeship tune" in error.value.hint


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('variant = "int4"', "analyses.noise.variant: there is no variant"),
        ('variant = "int8"\nstep = 3', "analyses.noise.step: variant int8 has 1 passes"),
        ('variant = "int8"\nmodel = "other"', "analyses.noise.model: does not name the one model"),
    ],
)
def test_an_analysis_decides_about_what_is_there(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(RecipeError) as error:
        recipes.parse(RECIPE.replace('variant = "int8"', line), tmp_path)
    assert message in str(error.value)


def test_a_lock_is_plain_json(tmp_path: Path) -> None:
    written = json.loads(file_of(locked(tmp_path)).read_text())
    assert written["schema"] == "edgeship-lock/1"
    assert written["decisions"]["variants.int8[0]"]["pass"] == "quantize-static"

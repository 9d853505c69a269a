"""Recipes: every error at once, with its place and its remedy."""

from pathlib import Path

import pytest

from edgeship.toolchain.errors import RecipeError
from edgeship.toolchain.recipe import read as recipe
from edgeship.toolchain.recipe import schema as recipe_schema

GOOD = """
[model]
factory = "./model.py:build"
inputs = [{ name = "x", shape = ["batch", 3] }]
dims = { batch = [1, 4] }
[calibration]
source = "synthetic"
samples = 8
[variants]
float = []
int8 = ["quantize-static"]
[targets.onnx]
[targets.web]
target = "onnx"
activations = "uint8"
"""


def problems(text: str, tmp_path: Path) -> str:
    with pytest.raises(RecipeError) as caught:
        recipe.parse(text, tmp_path)
    return str(caught.value)


def test_a_recipe_becomes_one_plan_per_variant_and_target(tmp_path: Path) -> None:
    made = recipe.parse(GOOD, tmp_path)
    assert [plan.name for plan in made.plans] == [
        "model-float-onnx", "model-float-web", "model-int8-onnx", "model-int8-web",
    ]  # fmt: skip
    assert [str(plan.spec) for plan in made.plans] == ["float32", "float32", "w8a8-static", "w8a8-static"]
    assert made.models[0].source.factory == f"{tmp_path}/model.py:build"


def test_every_problem_is_named_with_its_place_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("samples = 8", "sample = 8").replace("activations", "activation").replace("dims", "dim")
    found = problems(text + "[variant]\n", tmp_path)
    assert "calibration.sample: there is no such key" in found
    assert "targets.web.activation: there is no such key" in found
    assert "did you mean 'activations'?" in found
    assert "model.dim: there is no such key" in found
    assert "variant: there is no such table" in found
    assert "did you mean 'variants'?" in found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"quantize-static"', '"quantise-static"'), "there is no pass 'quantise-static'"),
        (('["quantize-static"]', '"quantize-static"'), "variants.int8: must be a list of passes"),
        (('["quantize-static"]', "[7]"), "variants.int8[0]: must be a name, not 7"),
        (('["quantize-static"]', '["quantize-static", "quantize-dynamic"]'), "variants.int8[1]"),
        (('["quantize-static"]', '["quantize-static", "prune-structured"]'), "move it up"),
        (("[targets.onnx]", "[targets.onyx]"), "there is no target 'onyx'"),
        (("samples = 8", 'samples = "many"'), "calibration.samples"),
        (('source = "synthetic"', ""), "calibration.source: is missing"),
        (("[calibration]", "[evaluation]"), "needs [calibration] data, and model has none"),
        (("shape = [", "shape = [0, "), "sizes are 1 or more"),
        (("dims = { batch = [1, 4] }", ""), "dimension 'batch' has no bounds"),
        (("[targets.onnx]", '[targets."a b"]\ntarget = "onnx"'), "cannot be a name"),
    ],
)
def test_a_wrong_recipe_says_where_and_what(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    assert message in problems(GOOD.replace(*change), tmp_path)


def test_broken_toml_names_the_line(tmp_path: Path) -> None:
    assert "line 2" in problems("\n[model\n", tmp_path)


def test_a_pair_no_runtime_carries_is_unsupported_and_no_error(tmp_path: Path) -> None:
    made = recipe.parse(GOOD.replace("[targets.onnx]", "[targets.coreml]").replace("static", "dynamic"), tmp_path)
    pair = next(plan for plan in made.plans if plan.target_name == "coreml" and plan.variant == "int8")
    assert pair.unsupported


def test_options_that_enter_keys_hold_no_path_of_this_machine(tmp_path: Path) -> None:
    made = recipe.parse(GOOD, tmp_path)
    assert str(tmp_path) not in str(recipe.options_of(made.models[0].source, tmp_path))


def test_the_schema_for_editors_knows_every_plugin_and_accepts_a_good_recipe(tmp_path: Path) -> None:
    import tomllib

    import jsonschema

    schema = recipe_schema.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(tomllib.loads(GOOD), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomllib.loads(GOOD + "[tragets]\n"), schema)

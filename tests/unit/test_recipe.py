"""Recipes: every error at once, with its place and its remedy."""

import os
from pathlib import Path

import pytest

from edgeship.toolchain.errors import RecipeError
from edgeship.toolchain.model.source import declared
from edgeship.toolchain.recipe import plan
from edgeship.toolchain.recipe import read as recipe
from edgeship.toolchain.recipe import schema as recipe_schema
from edgeship.toolchain.recipe.arguments import input_tables

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
        (("[targets.onnx]", "[targets]\nonnx = 3"), "targets.onnx: must be a table, not int"),
        (("[model]", 'name = "a b"\n[model]'), "name: 'a b' cannot be a name"),
        (("[variants]", "[devices]\n[variants]"), "devices: names no device"),
        (("samples = 8", "sampels = 8"), "did you mean 'samples'?"),
        (("samples = 8", 'metric = "top1"'), "calibration.metric: there is no such key"),
        (('name = "x"', 'name = "x", dtyp = "int8"'), "model.inputs[0].dtyp: there is no such key"),
        (('name = "x"', 'name = "x", dtyp = "int8"'), "did you mean 'dtype'?"),
        (('["batch", 3]', '["batch", 1.5]'), "model.inputs[0].shape[1]:"),
        (("[variants]", "[bench]\nthreads = [0]\n[variants]"), "bench.threads[0]"),
        (("[variants]", "[bench]\nseconds = inf\n[variants]"), "bench.seconds: Input should be a finite number"),
        (('factory = "./', f'weights_key = {"9" * 30}\nfactory = "./'), "an integer of more than 64 bits"),
        (("samples = 8", 'ranges = { x = [0, "\\u0000"] }'), "NUL character"),
    ],
)
def test_a_wrong_recipe_says_where_and_what(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    assert message in problems(GOOD.replace(*change), tmp_path)


def test_broken_toml_names_the_line(tmp_path: Path) -> None:
    assert "line 2" in problems("\n[model\n", tmp_path)


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 5000, "a = " + "9" * 5000, ".".join("a" * 100) + " = 1", ".".join("a" * 5000) + " = 1"]
)
def test_toml_that_python_cannot_hold_is_a_recipe_error(text: str, tmp_path: Path) -> None:
    assert len(problems(text, tmp_path)) < 300


def test_only_a_text_file_is_read_as_a_recipe(tmp_path: Path) -> None:
    pipe, folder = tmp_path / "pipe.toml", tmp_path / os.fsdecode(b"\xff")
    os.mkfifo(pipe)
    folder.mkdir()
    (folder / "recipe.toml").write_text(GOOD)
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    for path, message in (
        (pipe, "is not a file"),
        (folder / "recipe.toml", "not UTF-8"),
        (tmp_path, "is not a file"),
        (tmp_path / "latin.toml", "is not a text file"),
        (tmp_path / "none.toml", "cannot be read"),
    ):
        with pytest.raises(RecipeError, match=message) as caught:
            recipe.read(path)
        str(caught.value).encode()


PICTURES = """
source = "image-folder"
path = "./photos"
preprocess = { resize = 8, crop = [8, 8] }
metric = "top1"
"""


def with_evaluation(table: str) -> str:
    text = GOOD.replace('shape = ["batch", 3]', 'shape = ["batch", 3, 8, 8]')
    return text + "[evaluation]" + table


def test_a_wrong_key_is_named_at_any_depth_and_once(tmp_path: Path) -> None:
    found = problems(with_evaluation(PICTURES.replace("crop", "corp")), tmp_path)
    assert "evaluation.preprocess.corp: there is no such key" in found
    assert "did you mean 'crop'?" in found
    assert "1 problem" in found
    found = problems(with_evaluation(PICTURES.replace("resize = 8", 'resize = "8x8"')), tmp_path)
    assert "1 problem" in found
    assert "evaluation.preprocess.resize" in found


@pytest.mark.parametrize(
    ("metric", "name", "options"),
    [
        ('"top1"', "top1", {"output": None}),
        ('{ name = "top1", output = "logits" }', "top1", {"output": "logits"}),
        ('"./m.py:score"', "score", {"arguments": {}}),
        ('{ function = "./m.py:score", arguments = { k = 5 } }', "score", {"arguments": {"k": 5}}),
        ('{ name = "python", function = "./m.py:score" }', "score", {"arguments": {}}),
    ],
)
def test_a_metric_is_a_name_or_a_table_with_its_options(
    metric: str, name: str, options: dict[str, object], tmp_path: Path
) -> None:
    import tomllib

    import jsonschema

    text = with_evaluation(PICTURES.replace('"top1"', metric))
    jsonschema.validate(tomllib.loads(text), recipe_schema.schema())
    data = recipe.parse(text, tmp_path).models[0].data["evaluation"]
    assert data.metric_name == name
    assert data.metric is not None
    assert {key: getattr(data.metric, key) for key in options} == options


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ('"top2"', "there is no metric 'top2'"),
        ('{ output = "logits" }', "evaluation.metric.name: is missing"),
        ('{ name = "top1", outptu = "logits" }', "did you mean 'output'?"),
        ("3", "evaluation.metric: must be a name, not 3"),
    ],
)
def test_a_wrong_metric_says_what(metric: str, message: str, tmp_path: Path) -> None:
    assert message in problems(with_evaluation(PICTURES.replace('"top1"', metric)), tmp_path)


def test_a_pair_no_runtime_carries_is_unsupported_and_no_error(tmp_path: Path) -> None:
    made = recipe.parse(GOOD.replace("[targets.onnx]", "[targets.coreml]").replace("static", "dynamic"), tmp_path)
    pair = next(plan for plan in made.plans if plan.target_name == "coreml" and plan.variant == "int8")
    assert pair.unsupported


def test_options_that_enter_keys_hold_no_path_of_this_machine(tmp_path: Path) -> None:
    made = recipe.parse(GOOD, tmp_path)
    assert str(tmp_path) not in str(plan.options_of(made.models[0].source, tmp_path))


def test_the_schema_for_editors_knows_every_plugin_and_accepts_a_good_recipe(tmp_path: Path) -> None:
    import tomllib

    import jsonschema

    schema = recipe_schema.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(tomllib.loads(GOOD), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomllib.loads(GOOD + "[tragets]\n"), schema)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('path = "./photos"', 'paths = "./photos"'),
        ("crop = [8, 8]", "corp = [8, 8]"),
        ("resize = 8", 'resize = "8"'),
        ('metric = "top1"', 'metric = { name = "top1", ouput = "logits" }'),
        ('metric = "top1"', 'metric = "top2"'),
        ('source = "image-folder"', 'source = "image-foldr"'),
    ],
)
def test_the_schema_knows_every_option_of_data_and_metric(right: str, wrong: str) -> None:
    import tomllib

    import jsonschema

    schema = recipe_schema.schema()
    jsonschema.validate(tomllib.loads(with_evaluation(PICTURES)), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomllib.loads(with_evaluation(PICTURES.replace(right, wrong))), schema)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("crop = [8, 8]", "crop = [9, 8]"), "evaluation: preprocess makes 3 × 9 × 8, input x takes 3 × 8 × 8"),
        (("crop = [8, 8]", "crop = [8, 8], mean = [0.5, 0.5]"), "evaluation.preprocess: mean has 2 values"),
        (("{ resize = 8, crop = [8, 8] }", '"timn:resnet18"'), "evaluation: preprocess = 'timn:resnet18'"),
        (('"top1"', '{ name = "top1", output = "logit" }'), "evaluation.metric: top1: there is no output 'logit'"),
        (('source = "image-folder"', 'source = "synthetic"'), "evaluation.path: there is no such key"),
    ],
)
def test_data_that_cannot_fit_is_known_before_it_is_read(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    good = with_evaluation(PICTURES).replace("dims", 'outputs = ["logits"]\ndims')
    recipe.parse(good, tmp_path)
    assert message in problems(good.replace(*change), tmp_path)


TOKENS = """
[model]
factory = "./model.py:build"
inputs = [{ name = "ids", shape = [1, 8], dtype = "int64" }]
[targets.onnx]
"""


def test_integers_without_data_need_their_range(tmp_path: Path) -> None:
    assert "model.inputs: ids: integers are made up where there is no data" in problems(TOKENS, tmp_path)
    with_range = TOKENS.replace('"int64"', '"int64", high = 99')
    made = recipe.parse(with_range, tmp_path).models[0].source
    assert declared(made).ranges == {"ids": (0, 99)}
    synthetic = '[evaluation]\nsource = "synthetic"\n'
    assert "evaluation: ids: integers" in problems(TOKENS + synthetic, tmp_path)
    recipe.parse(with_range + synthetic, tmp_path)
    recipe.parse(TOKENS + synthetic + "ranges = { ids = [0, 99] }", tmp_path)
    recipe.parse(TOKENS.replace("int64", "bool"), tmp_path)


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ("low = 5", "`low` needs a `high`"),
        ("low = 5, high = 4", "low = 5 is above high = 4"),
        ("high = -1", "low = 0 is above high = -1"),
        ("high = 1.5", "no int64 values"),
        ("high = 1e30", "no int64 values"),
    ],
)
def test_a_range_that_no_value_is_in_is_refused(bounds: str, message: str, tmp_path: Path) -> None:
    assert message in problems(TOKENS.replace('"int64"', f'"int64", {bounds}'), tmp_path)


def test_an_input_on_the_command_line_may_say_its_range() -> None:
    assert input_tables(["ids:1x8:int64[0-99]"])[0][0] == {
        "name": "ids",
        "shape": [1, 8],
        "dtype": "int64",
        "low": 0,
        "high": 99,
    }
    with pytest.raises(RecipeError, match="is no range"):
        input_tables(["ids:1x8:int64[99]"])

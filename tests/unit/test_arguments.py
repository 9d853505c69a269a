"""Arguments of the command line become the tables of a recipe, or one error that says what to write."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from edgeship.toolchain.errors import RecipeError
from edgeship.toolchain.recipe import arguments, data_arguments
from edgeship.toolchain.recipe.arguments import ModelArguments


def test_inputs_carry_shape_dtype_and_dynamic_dimensions_with_their_bounds() -> None:
    tables, dims = arguments.input_tables(["ids:batch[1-8]xseq[1-128]:int64", "box.x:1x4", "scale:"[:-1] + ":1"])
    assert tables[0] == {"name": "ids", "shape": ["batch", "seq"], "dtype": "int64"}
    assert [table["shape"] for table in tables[1:]] == [[1, 4], [1]]
    assert dims == {"batch": [1, 8], "seq": [1, 128]}
    assert arguments.input_tables(["a:max[2-4]xx[1-3]x5"])[0][0]["shape"] == ["max", "x", 5]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image", "not NAME:SHAPE"), (":1x3", "not NAME:SHAPE"), ("x:", "not NAME:SHAPE"),
        ("x:1x-3", "size '-3' is neither"), ("x:1x²", "size '²' is neither"), ("x:batchx3", "neither a number nor"),
        ("x:batch[1-]x3", "neither a number nor"), ("x:1x99999999999", "too large"), ("x:1x" + "9" * 5000, "neither"),
        ("x:b[1-99999999999]", "too large"), ("x:1x65536x65536", "values"),
    ],
)  # fmt: skip
def test_a_wrong_input_is_one_error(text: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said.replace("[", r"\[")):
        arguments.input_tables([text])


def test_factory_arguments_are_toml_and_bare_words_are_texts() -> None:
    given = ["n=10", "rate=0.5", "on=true", "off=False", "sizes=[1, 2]", "weights=DEFAULT", "text='1'", "path=./a=b"]
    assert arguments.arguments_table(given) == {
        "n": 10, "rate": 0.5, "on": True, "off": False, "sizes": [1, 2], "weights": "DEFAULT", "text": "1",
        "path": "./a=b",
    }  # fmt: skip
    assert arguments.toml_value("1\nother = 2") == "1\nother = 2"
    assert arguments.toml_value("2026-01-01") == "2026-01-01"
    assert arguments.toml_value("9" * 5000) == "9" * 5000


@pytest.mark.parametrize("given", [["n"], ["=1"], ["a b=1"], ["n=None"], ["n=1", "n=2"]])
def test_a_wrong_factory_argument_is_one_error(given: list[str]) -> None:
    with pytest.raises(RecipeError, match="--argument"):
        arguments.arguments_table(given)


def test_a_model_without_a_function_names_those_it_may_mean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text("class Net: ...\ndef _own(): ...\ndef build(): ...\n")
    for model in ("./net.py", "net.py", "net.py:"):
        with pytest.raises(RecipeError, match="names no function") as caught:
            arguments.model_reference(model)
        assert caught.value.hint == f"write {model.rstrip(':')}:build; it has Net, _own, build"
    with pytest.raises(RecipeError, match=r"no file .*gone\.py"):
        arguments.model_reference("./gone.py:build")
    with pytest.raises(RecipeError, match="no 'biuld' in"):
        arguments.model_reference("./net.py:biuld")
    with pytest.raises(RecipeError) as caught:
        arguments.model_reference("torchvision.models")
    assert "package.module:function" in caught.value.hint
    with pytest.raises(RecipeError, match="names no function"):
        data_arguments.data_table("net.py")
    assert arguments.model_reference("net.py:build") == {"factory": f"{tmp_path}/net.py:build"}
    assert arguments.model_reference("timm:create_model") == {"factory": "timm:create_model"}
    assert arguments.model_reference("net.pt2") == {"program": f"{tmp_path}/net.pt2"}


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (ModelArguments("torchvision.models:mobilenet_v2"), "mobilenet_v2"),
        (ModelArguments("timm:create_model", arguments=["model_name=vit.a_b"]), "vit.a_b"),
        (ModelArguments("./net.py:build"), "net"),
        (ModelArguments("runs/my net.pt2"), "my-net"),
    ],
)
def test_a_run_is_called_after_its_model(given: ModelArguments, name: str) -> None:
    assert arguments.default_name(given) == name


def test_preprocessing_is_a_name_or_options(tmp_path: Path) -> None:
    assert data_arguments.preprocess_value("timm:resnet18") == "timm:resnet18"
    options = {"mean": [0.5], "std": [0.5, 0.5, 0.5], "resize": 20}
    for text in ("mean=0.5, std=[0.5, 0.5, 0.5], resize=20", "{mean=0.5, std=[0.5, 0.5, 0.5], resize=20}"):
        assert data_arguments.preprocess_value(text) == options
    for text in ("imagenet", "mean=0,", "mean"):
        with pytest.raises(RecipeError, match="--preprocess"):
            data_arguments.preprocess_value(text)
    assert tomllib.loads(f"a = {{ {data_arguments.options_text(options)} }}")["a"] == options


def test_only_pictures_need_preprocessing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.py").write_text("def images(): ...\n")
    (tmp_path / "photos").mkdir()
    assert data_arguments.holds_pictures(data_arguments.data_table(str(tmp_path / "photos")))
    assert not data_arguments.holds_pictures(data_arguments.data_table("./data.py:images"))
    for kind, pictures in (("Image", True), ("Value", False)):
        features = {"features": {"img": {"_type": kind}}}
        (tmp_path / "photos" / "dataset_info.json").write_text(json.dumps(features))
        assert data_arguments.holds_pictures(data_arguments.data_table(str(tmp_path / "photos"))) == pictures


def test_options_of_bench_have_the_limits_of_a_recipe() -> None:
    assert arguments.bench_options(2, 3, 0.5).threads == (2,)
    for wrong in ((-1, 1, 1.0), (10**9, 1, 1.0), (1, 0, 1.0), (1, 1, -1.0), (1, 1, float("nan")), (1, 1, 1e9)):
        with pytest.raises(RecipeError, match=r"bench\."):
            arguments.bench_options(*wrong)
    assert arguments.sizes_table(["batch=4", "seq=16"]) == {"batch": 4, "seq": 16}
    for text in ("batch", "batch=0", "=4", "batch=-1", "batch=99999999999"):
        with pytest.raises(RecipeError, match="--size"):
            arguments.sizes_table([text])

"""What `check` finds that only the machine can tell: files, functions and packages that are not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgeship.toolchain.errors import MissingError, RecipeError
from edgeship.toolchain.recipe import preflight, read

RECIPE = """
[model]
factory = "./net.py:build"
weights = "./weights.pt"
inputs = [{ name = "x", shape = [1, 3] }]
[evaluation]
source = "python"
function = "./net.py:data"
reads = ["./data"]
metric = "./net.py:score"
[targets.onnx]
"""


def check(text: str, folder: Path) -> None:
    (folder / "net.py").write_text("raise SystemExit('executed')\ndef build(): ...\ndef data(): ...\ndef score(): ...")
    (folder / "weights.pt").touch()
    (folder / "data").mkdir(exist_ok=True)
    preflight.check(read.parse(text, folder))


def test_a_recipe_whose_files_and_functions_are_there_passes(tmp_path: Path) -> None:
    check(RECIPE, tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("net.py:build", "net.py:bild"), "model.factory: there is no 'bild'"),
        (("net.py:data", "net.py:date"), "evaluation: there is no 'date'"),
        (('./net.py:score"', './net.py"'), "evaluation.metric: "),
        (("weights.pt", "weight.pt"), "model.weights: there is no"),
        (("./data", "./date"), "evaluation.reads: there is no"),
        (("./net.py:build", "torch.nn:Linaer"), "did you mean 'Linear'?"),
        (("./weights.pt", "/dev/zero"), "/dev/zero is neither a file nor a folder"),
    ],
)
def test_what_is_not_there_is_a_recipe_error(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        check(RECIPE.replace(*change), tmp_path)
    assert message in str(caught.value)


def test_a_pipe_is_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe.py")
    text = RECIPE.replace("./weights.pt", "./pipe").replace("./data", "./pipe").replace("net.py:data", "pipe.py:data")
    with pytest.raises(RecipeError, match="3 problems"):
        check(text, tmp_path)


def test_a_missing_package_is_no_recipe_error(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="there is no module 'nothing_like_it'"):
        check(RECIPE.replace("./net.py:build", "nothing_like_it:build"), tmp_path)

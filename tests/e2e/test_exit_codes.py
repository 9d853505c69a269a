"""How a command ends says whose fault it was: 2 the user's, 4 this machine's, 1 the line's own."""

from __future__ import annotations

import os

import pytest
from workplace import Workplace, recipe_text

from edgeship.toolchain.build.store import Store
from edgeship.toolchain.commands import run as runs
from edgeship.toolchain.errors import MissingError
from edgeship.toolchain.recipe import read as recipes
from edgeship.toolchain.report.document import Report
from edgeship.toolchain.report.terminal.run import report_view

TOKENS = """
[model]
factory = "./model.py:tokens"
inputs = [
  { name = "input_ids", shape = [1, 12], dtype = "int64", keyword = true },
  { name = "attention_mask", shape = [1, 12], dtype = "int64", keyword = true },
]
[targets.torchscript]
"""
GOOD = recipe_text("torchscript")

CODE = """
import numpy as np
def broken(): return 1 / 0
def unlabelled(): return np.random.default_rng(0).normal(size=(32, 3, 16, 16)).astype("float32")
def nothing(): return None
def own(outputs, labels, reference, name): return (outputs[name][:, 0].argmax(1) == labels).astype(float)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    tmp = tmp_path_factory.mktemp("codes")
    place = Workplace(tmp / "project", tmp / "cache")
    (place.folder / "code.py").write_text(CODE)
    (place.folder / "lacks.py").write_text("import nothing_like_it\ndef build(): ...")
    os.mkfifo(place.folder / "pipe.toml")
    os.mkfifo(place.folder / "pipe.npz")
    return place


def report_of(text: str, place: Workplace) -> Report:
    """A run in this process, whose fork server has torch already: what the command would report."""
    recipe, quiet = recipes.parse(text, place.folder), runs.Options(measure=False)
    return runs.run_into(place.folder / "runs", recipe, quiet, lambda event: None, Store(place.cache)).report


def evaluation(function: str, metric: str = '"top1"') -> str:
    return f'\n[evaluation]\nsource = "python"\nfunction = "{function}"\nmetric = {metric}\n'


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (GOOD.replace("./data.py:images", "./code.py:broken"), 2, "ZeroDivisionError"),
        (GOOD.replace("./data.py:images", "./code.py:nothing"), 2, "None, which holds no samples"),
        (GOOD.replace("./model.py:build", "./code.py:broken"), 2, "ZeroDivisionError"),
        (GOOD.replace("./model.py:build", "./lacks.py:build"), 4, "there is no module 'nothing_like_it'"),
        (GOOD + evaluation("./code.py:unlabelled"), 2, "the evaluation data has no labels"),
    ],
)
def test_a_line_that_fails_for_another_reason_than_its_own_says_so(
    text: str, code: int, said: str, place: Workplace
) -> None:
    report = report_of(text, place)
    assert runs.exit_code(report) == code
    assert [said in line.reason for line in report.lines] == [True]


def test_a_metric_with_options_scores_the_output_it_names(place: Workplace) -> None:
    table = '{ function = "./code.py:own", arguments = { name = "logits" } }'
    for metric, name in (('{ name = "top1", output = "logits" }', "top1"), (table, "own")):
        [line] = report_of(GOOD + evaluation("./data.py:images", metric), place).lines
        scored = line.executions[0].metric
        assert scored is not None
        assert scored.name == name
        assert scored.artifact > 0.2


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (GOOD + "[devices]\n", 2, "names no device"),
        (GOOD.replace("model.py:build", "model.py:biuld"), 2, "did you mean 'build'?"),
        (GOOD.replace("model.py:build", "model.py"), 2, "names no function"),
        (GOOD.replace("./model.py", "nothing_like_it"), 4, "install the package that has nothing_like_it"),
        (GOOD.replace("./data.py:images", "./gone.py:images"), 2, "gone.py"),
        (GOOD.replace("factory", 'weights = "./pipe.npz"\nfactory'), 2, "neither a file nor a folder"),
        (GOOD + evaluation("./data.py:images", '{ name = "top1", output = "scores" }'), 2, "no output 'scores'"),
        (GOOD.replace("[targets.torchscript]", '[targets.onnx]\ncustom_library = "./gone.so"'), 2, "gone.so"),
        (TOKENS, 2, "which values are valid?"),
        ("a = " + "9" * 5000, 2, "more than 64 bits"),
        ("a = " + "[" * 5000, 2, "nested too deep"),
    ],
)
def test_what_check_can_know_it_says(text: str, code: int, said: str, place: Workplace) -> None:
    done = place.edgeship("check", place.recipe("wrong.toml", text))
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "pipe.toml"),
        ("run", "pipe.toml"),
        ("convert", "./model.py:build", "-t", "torchscript", "-i", "image:1x3x16x16", "--calibration", "pipe.npz"),
        ("convert", "./model.py:build", "-t", "torchscript", "-i", "image:1x3x16x16", "--weights", "pipe.npz"),
        ("convert", "pipe.npz", "-t", "torchscript", "-i", "image:1x3x16x16"),
        ("convert", "./model.py:tokens", "-t", "torchscript", "-i", "input_ids:1x12:int64"),
        ("check", os.fsdecode(b"\xff.toml")),
        ("convert", os.fsdecode(b"./\xff.py:build"), "-t", "torchscript", "-i", "image:1x3x16x16"),
    ],
)
def test_pipes_and_odd_paths_end_in_one_message(arguments: tuple[str, ...], place: Workplace) -> None:
    done = place.edgeship(*arguments)
    assert (done.returncode, done.stdout) == (2, ""), done.stdout
    assert done.stderr.startswith("error: ")


def test_a_device_that_is_not_reached_is_told_and_the_others_go_on(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent() -> None:
        raise MissingError("there is no qemu-aarch64", "install qemu-user")

    monkeypatch.setattr("edgeship.toolchain.devices.emulated.qemu.installed", absent)
    text = GOOD + '[devices.local]\n[devices.pi]\ndevice = "emulated"\ncpu = "cortex-a72"\n'
    report = report_of(text, place)
    assert [[e.verdict for e in line.executions] for line in report.lines] == [["pass", "not-executed"]]
    assert report.not_reached == {"pi": "there is no qemu-aarch64 (install qemu-user)"}
    assert runs.exit_code(report) == 5
    assert "not reached: device pi" in "".join(str(part) for part in report_view(report))
    with pytest.raises(MissingError, match="no qemu-aarch64"):
        report_of(text.replace("[devices.local]\n", ""), place)


def test_integers_without_data_are_made_up_within_their_declared_range(place: Workplace) -> None:
    ranges = TOKENS.replace('"int64", keyword', '"int64", low = 1, high = 49, keyword', 1).replace(
        '"int64", keyword', '"int64", low = 1, high = 1, keyword'
    )
    assert [line.verdict for line in report_of(ranges, place).lines] == ["pass"]

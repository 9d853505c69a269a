"""The plugins that CONTRIBUTING shows, installed as a distribution and used in recipes."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from workplace import Workplace, recipe_text, register

pytestmark = pytest.mark.slow  # whole runs, half a minute each

EXAMPLES = Path(__file__).parents[2] / "examples" / "plugins"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    tmp = tmp_path_factory.mktemp("plugins")
    site = tmp / "site"
    shutil.copytree(EXAMPLES, site, ignore=shutil.ignore_patterns("__pycache__"))
    points = tomllib.loads((site / "pyproject.toml").read_text())["project"]["entry-points"]
    register(site, **{group.removeprefix("edgeship."): names for group, names in points.items()})
    return Workplace(tmp / "project", tmp / "cache", {"PYTHONPATH": str(site)})


def test_they_are_listed_with_their_options(place: Workplace) -> None:
    rows = {row["name"]: row for row in place.json("targets")}
    assert rows["round-weights"]["options"]["step"]["default"] == 1 / 1024
    assert rows["torch-program"]["about"]
    done = place.edgeship("check", place.recipe("no.toml", recipe_text("onnx", variants='r = ["round-weight"]')))
    assert "did you mean 'round-weights'?" in done.stderr


def test_they_are_what_a_plugin_must_be(place: Workplace) -> None:
    contract = Path(__file__).parents[1] / "contract" / "test_plugins.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(contract)]
    done = subprocess.run(command, env=place.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_a_pass_a_target_and_a_device_from_outside_do_a_whole_run(place: Workplace) -> None:
    variants = 'float = []\nrounded = [{ pass = "round-weights", step = 0.25 }]'
    text = recipe_text("torch-program", variants=variants)
    report = place.json("run", place.recipe("first.toml", text), "--quick")
    lines = {line["variant"]: line for line in report["lines"]}
    assert {line["verdict"] for line in lines.values()} == {"pass"}
    sqnr_db = {name: line["executions"][0]["parity_float"]["sqnr_db"] for name, line in lines.items()}
    assert 0 < sqnr_db["rounded"] < 40 < sqnr_db["float"]
    recorded = place.folder / "recorded"
    recorded.mkdir()
    run = place.runs()[0]
    for line in lines.values():
        measured = run / line["executions"][0]["measurements"][0]["file"]
        shutil.copyfile(measured, recorded / f"{line['artifact']['sha256']}-latency.json")
    devices = '\n[devices.local]\n[devices.pixel]\ndevice = "replay"\nfolder = "./recorded"\n'
    again = place.json("run", place.recipe("second.toml", text + devices), "--quick")
    for line in again["lines"]:
        local, pixel = line["executions"]
        assert (local["device"], local["verdict"], pixel["device"]) == ("local", "pass", "pixel")
        # a device that executed nothing does not mark the line; what it measured stands beside the other's
        assert (pixel["verdict"], line["verdict"]) == ("not-executed", "pass")
        assert pixel["measurements"][0]["latency_ns"] == local["measurements"][0]["latency_ns"]


def test_a_wrong_output_on_one_of_two_devices_fails_its_line_and_names_the_device(place: Workplace) -> None:
    variants = 'float = []\nrounded = [{ pass = "round-weights", step = 0.25 }]'
    text = recipe_text("torchscript", variants=variants)
    recording = '\n[devices.desk]\ndevice = "record"\nfolder = "./answers"\n'
    report = place.json("run", place.recipe("recording.toml", text + recording), "--no-measure")
    assert {line["verdict"] for line in report["lines"]} == {"pass"}
    # on the phone one output of the rounded file is another number
    sha256 = next(line["artifact"]["sha256"] for line in report["lines"] if line["variant"] == "rounded")
    answers = place.folder / "answers" / f"{sha256}-verify.bin"
    numbers = np.fromfile(answers, dtype=np.float32)
    numbers[3] += 10
    numbers.tofile(answers)
    devices = '\n[devices.local]\n[devices.phone]\ndevice = "replay"\nfolder = "./answers"\n'
    done = place.edgeship("run", place.recipe("both.toml", text + devices), "--no-measure")
    assert done.returncode == 1, done.stdout
    told = next(line for line in done.stdout.splitlines() if line.startswith("fail: "))
    assert "rounded → torchscript: phone: " in told
    lines = {line["variant"]: line for line in place.json("report")["lines"]}
    assert [(e["device"], e["verdict"]) for e in lines["rounded"]["executions"]] == [
        ("local", "pass"),
        ("phone", "fail"),
    ]
    assert [(e["device"], e["verdict"]) for e in lines["float"]["executions"]] == [("local", "pass"), ("phone", "pass")]
    assert (lines["float"]["verdict"], lines["rounded"]["verdict"]) == ("pass", "fail")


def test_a_runtime_from_outside_is_one_folder_with_its_target_and_agent(place: Workplace) -> None:
    report = place.json("run", place.recipe("own.toml", recipe_text("eager", variants="float = []")), "--quick")
    (line,) = report["lines"]
    assert (line["status"], line["verdict"]) == ("ok", "pass")
    (execution,) = line["executions"]
    assert execution["executed_by"].startswith("eager ")
    assert execution["not_measured"] == "no agent here does latency with Eager"


def test_a_metric_and_a_device_that_runs_commands_from_outside(place: Workplace) -> None:
    board = place.folder / "a board"
    data = '[evaluation]\nsource = "python"\nfunction = "./data.py:images"\nmetric = { name = "top-k", k = 2 }\n'
    device = f'[devices.board]\ndevice = "remote-shell"\ncommand = ["sh", "-c"]\nfolder = "{board}"\n'
    text = f'{recipe_text("torch-program", variants="float = []")}\n{data}{device}python = "{sys.executable}"\n'
    (line,) = place.json("run", place.recipe("board.toml", text), "--quick")["lines"]
    (execution,) = line["executions"]
    assert (execution["device"], execution["verdict"]) == ("board", "pass")
    assert execution["metric"]["name"] == "top-k"
    assert execution["metric"]["artifact"] == execution["metric"]["float"] > 0.5
    assert execution["measurements"][0]["latency_ns"]["p50"] > 0
    assert {file.name for file in board.rglob("*") if file.is_file()} == {"agent.py", "inputs.bin", "model.pt2"}

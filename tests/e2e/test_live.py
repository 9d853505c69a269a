"""The job for people in a notebook: a live module in, artifacts with their verdicts out."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from models import conv_net, digit_data, digit_net
from torch.utils.data import DataLoader, TensorDataset
from workplace import PROJECT, recipe_text

import edgeship
from edgeship import convert
from edgeship.toolchain.api import DataError, RecipeError


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGESHIP_CACHE", str(tmp_path_factory.getbasetemp() / "live-cache"))


def test_a_trained_module_and_a_loader_become_verified_files(tmp_path: Path) -> None:
    """Dynamic batch, int8 from a DataLoader that shuffles, a task metric on another."""
    net, (image,) = digit_net()
    train, test = digit_data()
    sets = [
        TensorDataset(torch.from_numpy(s.inputs["image"][:, 0]), torch.from_numpy(s.labels))
        for s in (train.take(range(128)), test.take(range(200)))
    ]
    before = {name: value.clone() for name, value in net.state_dict().items()}
    made = convert(
        net,
        {"image": image},
        ["onnx", "executorch"],
        calibration=DataLoader(sets[0], batch_size=32, shuffle=True, generator=torch.Generator().manual_seed(0)),
        evaluation=DataLoader(sets[1], batch_size=50),
        metric="top1",
        dynamic={"batch": (1, 8)},
        folder=tmp_path / "runs",
    )
    assert [(one.variant, one.target, one.passed) for one in made] == [
        ("float", "onnx", True), ("float", "executorch", True), ("int8", "onnx", True), ("int8", "executorch", True),
    ]  # fmt: skip
    for one in made:
        assert one.path is not None
        assert one.path.stat().st_size > 1000
        assert one.line.first is not None
        assert one.line.first.metric is not None
        assert one.line.first.metric.artifact > 0.9
        assert one.line.first.metric.samples == 200
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    import onnxruntime

    session = onnxruntime.InferenceSession(made[0].path)
    assert session.get_inputs()[0].name == "image"
    answers = session.run(None, {"image": test.inputs["image"][:5, 0]})[0]
    with torch.no_grad():
        expected = net(torch.from_numpy(test.inputs["image"][:5, 0])).numpy()
    assert abs(answers - expected).max() < 1e-3 < abs(expected).max()


def test_whole_arrays_and_endless_generators_are_taken_as_a_recipe_takes_them(tmp_path: Path) -> None:
    net, (image,) = digit_net()
    train, test = digit_data()

    def endless() -> Iterator[Any]:
        while True:
            yield from train.inputs["image"][:500, 0]

    with pytest.warns(UserWarning, match="may not end"):
        made = convert(
            net,
            {"image": image},
            ["onnx"],
            calibration=endless(),
            evaluation=(torch.from_numpy(test.inputs["image"][:64, 0]), test.labels[:64]),
            variants={"float": []},
            metric="top1",
            folder=tmp_path / "runs",
        )
    assert [one.passed for one in made] == [True]
    assert [e.metric and e.metric.samples for one in made for e in one.line.executions] == [64]


@pytest.mark.slow
def test_a_changed_module_is_not_answered_from_the_cache(tmp_path: Path) -> None:
    net, inputs = conv_net()
    first = convert(net, inputs, ["onnx"], folder=tmp_path / "runs")
    with torch.no_grad():
        net[-1].bias += 1
    second = convert(net, inputs, ["onnx"], folder=tmp_path / "runs")
    digests = [one[0].line.artifact.sha256 for one in (first, second) if one[0].line.artifact]
    assert len(set(digests)) == 2
    assert first[0].passed
    assert second[0].passed


def test_what_is_wrong_is_said_before_anything_runs(tmp_path: Path) -> None:
    net, inputs = conv_net()
    with pytest.raises(RecipeError, match="there is no target 'onxx'"):
        convert(net, inputs, ["onxx"], folder=tmp_path / "runs")
    with pytest.raises(RecipeError, match=r"needs \[calibration\] data"):
        convert(net, inputs, ["onnx"], variants={"int8": ["quantize-static"]}, folder=tmp_path / "runs")
    with pytest.raises(DataError, match="calibration: item 0: a str, which is no sample"):
        convert(net, inputs, ["onnx"], calibration=["photo.png"], folder=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


SCRIPT = """
import torch
from torch import nn
import edgeship
from edgeship import convert

class Net(nn.Module):  # a class of __main__, as in a notebook: no worker can import it
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(8, 32), nn.Linear(32, 4)

    def forward(self, x):
        return self.second(torch.relu(self.first(x)))

made = convert(Net().eval(), [torch.randn(1, 8)], ["onnx", "torchscript"])
print([(one.target, one.line.verdict, one.path is not None) for one in made])
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["script", "notebook"])
def test_it_works_for_a_class_of_main(how: str, tmp_path: Path) -> None:
    """A notebook's __main__ has no file; a script has one, without an `if __name__` guard."""
    (tmp_path / "job.py").write_text(SCRIPT)
    command = [sys.executable, "job.py"] if how == "script" else [sys.executable, "-"]
    given = None if how == "script" else SCRIPT
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, input=given, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "[('onnx', 'pass', True), ('torchscript', 'pass', True)]"


def test_a_recipe_runs_from_python_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.toml").write_text(recipe_text("torchscript"))
    for name in ("model.py", "data.py"):
        shutil.copy(PROJECT / name, tmp_path)
    before = sorted(tmp_path.iterdir())
    report = edgeship.run("recipe.toml", measure=False, store=edgeship.Store(tmp_path.with_name("cache")))
    assert [(line.outcome, line.path and Path(line.path).is_file()) for line in report.lines] == [("pass", True)]
    assert [path for path in sorted(tmp_path.iterdir()) if path.name != "__pycache__"] == before

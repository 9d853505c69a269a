"""Networks that nobody can judge: converted and measured, never a pass; broken files of theirs fail all the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from workplace import Workplace

pytestmark = pytest.mark.slow  # whole runs, half a minute each

UNTRAINED = '''
import torch
from torch import nn

def block(channels, stride=1):
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False), nn.BatchNorm2d(channels), nn.ReLU6(),
        nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels),
    )


def fading(blocks=16):
    """As torchvision initializes MobileNetV2: each block answers less than it takes, about 1e-9 in the end."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), *(block(8) for _ in range(blocks)),
                        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10, bias=False))
    return net


def level():
    """With torch's own initialization of the head: its bias, and next to nothing beside it."""
    net = fading(9)
    net[-1] = nn.Linear(8, 10)
    return net


class Residual(nn.Module):
    """A network whose residual branch is switched off, as zero_init_residual does."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.branch = block(8)
        self.scaled = nn.Conv2d(8, 8, 1)
        self.layer_scale = nn.Parameter(torch.full((8, 1, 1), 1e-6))
        self.head = nn.Linear(8, 10)
        nn.init.zeros_(self.branch[-1].weight)

    def forward(self, image):
        image = torch.relu(self.stem(image))
        image = image + self.branch(image)
        image = image + self.layer_scale * self.scaled(image)
        return self.head(image.mean((2, 3)))


def residual():
    torch.manual_seed(0)
    return Residual()
'''
RECIPE = """
name = "untrained"

[calibration]
source = "python"
function = "./data.py:images"
samples = 32

[variants]
float = []
int8 = ["quantize-static"]

[targets.onnx]
[targets.litert]
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    base = tmp_path_factory.mktemp("untrained")
    made = Workplace(base / "project", base / "cache")
    (made.folder / "untrained.py").write_text(UNTRAINED)
    for name in ("fading", "level"):
        model = f'\n[model]\nfactory = "./untrained.py:{name}"\n'
        model += 'inputs = [{ name = "image", shape = [1, 3, 16, 16] }]\noutputs = ["logits"]\n'
        made.recipe(f"{name}.toml", RECIPE + model)
    return made


def newest(place: Workplace) -> Path:
    return max(place.runs(), key=lambda run: run.stat().st_mtime)


def lines(report: Any) -> dict[tuple[str, str], Any]:
    return {(line["variant"], line["target"]): line for line in report["lines"]}


def test_int8_cannot_show_what_an_untrained_mobilenet_answers_and_float_can(place: Workplace) -> None:
    found = lines(place.json("run", "fading.toml", "--no-measure"))
    for (variant, _), line in found.items():
        assert line["artifact"]["size_bytes"] > 0
        assert line["verdict"] == ("pass" if variant == "float" else "unverifiable"), line
    assert "which w8a8-static cannot tell from zero: untrained?" in found["int8", "onnx"]["executions"][0]["reasons"][0]


def test_outputs_that_hardly_vary_are_unverifiable_in_table_banner_and_json(place: Workplace) -> None:
    report = place.json("run", "level.toml", "--no-measure")
    for line in report["lines"]:
        assert line["verdict"] == "unverifiable", line
        (execution,) = line["executions"]
        assert 0 < execution["spread"] < 1e-5
        assert "untrained?" in execution["reasons"][0]
    said = place.edgeship("run", "level.toml", "--no-measure")
    assert said.returncode == 0
    assert "0 pass: no file here is proven" in said.stdout
    assert said.stdout.count("\nunverifiable: ") == 4
    assert "untrained? outputs vary by" in said.stdout
    page = (newest(place) / "report.html").read_text()
    assert "untrained?" in page
    assert "0 pass: no file here is proven" in page
    assert place.edgeship("run", "level.toml", "--no-measure", "--strict").returncode == 3


def test_a_cached_run_says_the_warnings_of_the_first(place: Workplace) -> None:
    text = (place.folder / "level.toml").read_text().replace('"untrained"', '"warned"')
    text = text.replace("level", "residual").replace("samples = 32", "samples = 31")
    place.recipe("residual.toml", text)
    first, second = (place.edgeship("run", "residual.toml", "--no-measure") for _ in range(2))

    def warnings(text: str) -> set[str]:
        return {line for line in text.splitlines() if "warning:" in line}

    for side in ("stdout", "stderr"):
        assert warnings(getattr(first, side)) == warnings(getattr(second, side))
    for text in (first.stdout, first.stderr):
        assert "layer_scale, branch.4 multiply their branch by 1e-05 or less" in text
        assert "judged on its own calibration data" in text
        assert "calibration has 31 samples" in text


def answering(file: Path, change: Any) -> Path:
    """A copy of an ONNX file whose output passes through other nodes."""
    model = onnx.load(file)
    output = model.graph.output[0].name
    for node in model.graph.node:
        node.output[:] = ["sound" if name == output else name for name in node.output]
    change(model, "sound", output)
    made = file.with_name("broken.onnx")
    onnx.save(model, made)
    return made


def multiplied(factor: float) -> Any:
    def change(model: onnx.ModelProto, inner: str, outer: str) -> None:
        model.graph.initializer.append(numpy_helper.from_array(np.float32(factor), "factor"))
        model.graph.node.append(helper.make_node("Mul", [inner, "factor"], [outer]))

    return change


@pytest.mark.parametrize(("model", "factor"), [("level", 0.0), ("level", 1.1), ("fading", 0.0), ("fading", 1.1)])
def test_a_broken_file_of_an_untrained_network_fails(place: Workplace, model: str, factor: float) -> None:
    place.json("run", f"{model}.toml", "--no-measure")
    file = next((newest(place) / "artifacts").glob("*float-onnx/*.onnx"))
    sound = place.json("verify", file, "--against", f"{model}.toml")
    assert sound["verdict"] == ("pass" if model == "fading" else "unverifiable")
    broken = place.json("verify", answering(file, multiplied(factor)), "--against", f"{model}.toml", code=1)
    assert broken["verdict"] == "fail"


def test_verify_tells_that_a_file_cannot_be_verified(place: Workplace) -> None:
    place.json("run", "level.toml", "--no-measure")
    file = next((newest(place) / "artifacts").glob("*float-onnx/*.onnx"))
    said = place.edgeship("verify", file, "--against", "level.toml")
    assert said.returncode == 0
    assert "unverifiable" in said.stdout
    assert "outputs vary over the inputs by" in said.stdout
    assert place.edgeship("verify", file, "--against", "level.toml", "--strict").returncode == 3

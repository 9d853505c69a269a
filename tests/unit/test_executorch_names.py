"""A .pte has no names: artifact.json says in which order the model's own are taken and answered."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgeship.targets.executorch.target import ExecuTorch
from edgeship.toolchain import artifact as artifacts
from edgeship.toolchain.artifact import MANIFEST
from edgeship.toolchain.commands.inspect import describe, inspect
from edgeship.toolchain.model.program import export, flatten
from edgeship.toolchain.model.signature import signature
from edgeship.toolchain.model.source import ModelInput, ModelSource
from edgeship.toolchain.plugin import Context

pytestmark = pytest.mark.heavy


class Mixer(nn.Module):
    """Two inputs that are not interchangeable, two outputs of equal shape by name."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(6, 6)

    def forward(self, voice: torch.Tensor, *, room: torch.Tensor) -> dict[str, torch.Tensor]:
        mixed = self.layer(voice)
        return {"wet": mixed + room, "dry": mixed * 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("mixer")
    inputs = (
        ModelInput(name="voice", shape=(1, 6)),
        ModelInput(name="room", shape=(1, 6), keyword=True),
    )
    source = ModelSource(factory="unused:here", inputs=inputs)
    example = (torch.randn(1, 6), torch.randn(1, 6))
    module = flatten(Mixer().eval(), 1, ["room"])
    at = Context(signature=signature(source, module, example), example=example)
    artifacts.write(ExecuTorch().export(export(module, example, at.signature), out, at), out)
    return out


def test_an_app_can_feed_and_read_a_pte_by_the_names_of_its_artifact_json(folder: Path) -> None:
    from executorch.runtime import Runtime

    artifact = artifacts.read(folder)
    given = {"room": torch.randn(1, 6), "voice": torch.randn(1, 6)}
    method = Runtime.get().load_program(str(folder / artifact.file)).load_method("forward")
    answers = method.execute([given[tensor.name] for tensor in artifact.inputs])
    got = {tensor.name: answer.numpy() for tensor, answer in zip(artifact.outputs, answers, strict=True)}
    with torch.no_grad():
        expected = Mixer().eval()(given["voice"], room=given["room"])
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(got[name], value.numpy(), rtol=1e-5, atol=1e-6)


def test_inspect_takes_the_names_from_the_artifact_json_beside_a_pte(folder: Path) -> None:
    found = inspect(folder / "model.pte")
    assert [tensor["name"] for tensor in found["inputs"]] == ["voice", "room"]
    assert [tensor["name"] for tensor in found["outputs"]] == ["wet", "dry"]
    assert found["names"] == MANIFEST


@pytest.mark.parametrize("beside", [None, "another file's artifact.json"])
def test_a_pte_from_elsewhere_has_its_inputs_and_outputs_numbered(
    beside: str | None, folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "model.pte"
    shutil.copy(folder / "model.pte", file)
    if beside:
        told = artifacts.read(folder).model_copy(update={"sha256": "0" * 64})
        (tmp_path / MANIFEST).write_text(told.model_dump_json())
    found = inspect(file)
    assert [tensor["name"] for tensor in found["inputs"]] == ["input_0", "input_1"]
    assert [tensor["name"] for tensor in found["outputs"]] == ["output_0", "output_1"]
    assert found["names"] == "position"
    if not beside:
        assert [tensor.name for tensor in describe(file).outputs] == ["output_0", "output_1"]

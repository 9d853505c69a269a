"""Profiles by operator: each in its place, with the module it comes from, and nothing where a runtime tells none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tiny_files import TinyFiles

from edgeship.targets.onnx.origins import modules
from edgeship.toolchain.commands.operators import ORIGINS, exit_code, operators
from edgeship.toolchain.devices.local import Local
from edgeship.toolchain.report.terminal.operators import operators_view

pytestmark = pytest.mark.heavy


def ignore(note: str) -> None:
    """Notes are the command line's."""


def test_each_operator_s_time_is_told_with_its_module(tiny_files: TinyFiles, tmp_path: Path) -> None:
    """A run keeps origins in debug/, beside what ships."""
    onnx, litert = (tiny_files.get("conv_net", format) for format in ("onnx", "litert"))
    line, debug = tmp_path / "artifacts" / "line", tmp_path / "debug" / "line"
    for folder in (line, debug):
        folder.mkdir(parents=True)
    for file in (onnx, litert):
        shutil.copy(file.folder / file.artifact.file, line)
    nodes = node_names(line / onnx.artifact.file)
    (debug / ORIGINS).write_text(json.dumps({name: {"module": f"model.of.{name}"} for name in nodes}))
    found = operators([line / onnx.artifact.file, line / litert.artifact.file], Local(), [], [], 1, ignore)
    first, second = found.files
    assert first.error is None
    assert first.total_ns == sum(operator.ns for operator in first.operators) > 0
    assert sum(operator.share for operator in first.operators) == pytest.approx(1)
    assert {"Conv", "Gemm"} <= {operator.kind.removeprefix("Fused") for operator in first.operators}
    of_convs = [operator.module for operator in first.operators if operator.kind.endswith("Conv")]
    assert of_convs
    assert all(module.startswith("of.") for module in of_convs)
    assert second.error == "no agent here does profile with LiteRT"
    assert exit_code(found) == 5
    text = "\n".join(str(part) for part in operators_view(found, 2))
    assert "the 2 operators that take longest" in text
    assert not [path for path in line.iterdir() if path.is_dir()], "the profile itself is left behind"


def node_names(path: Path) -> list[str]:
    import onnx_ir as ir

    return [node.name for node in ir.load(path).graph.all_nodes() if node.name]


def test_what_onnx_runtime_renames_is_still_known(tiny_files: TinyFiles) -> None:
    file = tiny_files.get("conv_net", "onnx")
    path = file.folder / file.artifact.file
    name = next(iter(node_names(path)))
    origins = {name: {"module": "model.stem.conv"}}
    renamed = [name, f"{name}_token_7", f"{name}_nchwc", "somebody else's"]
    assert modules(path, origins, renamed) == dict.fromkeys(renamed[:3], "stem.conv")


def test_executorch_s_delegates_are_seen_into(tiny_files: TinyFiles) -> None:
    file = tiny_files.get("conv_net", "executorch")
    (one,) = operators([file.folder / file.artifact.file], Local(), [], [], 1, ignore).files
    assert one.error is None
    assert any(operator.kind == "Convolution" for operator in one.operators)

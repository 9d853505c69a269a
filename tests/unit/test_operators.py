"""Profiles by operator: each in its place, with the module it comes from, and nothing where a runtime tells none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from native import needs_native
from tiny_files import TinyFiles

from edgeship.targets.onnx.origins import modules
from edgeship.toolchain.commands.operators import ORIGINS, exit_code, operators
from edgeship.toolchain.commands.subjects import Calls
from edgeship.toolchain.devices.local import Local
from edgeship.toolchain.report.operators import Operators, Profiled, TimedOperator
from edgeship.toolchain.report.terminal.operators import operators_view

pytestmark = pytest.mark.heavy


def ignore(note: str) -> None:
    """Notes are the command line's."""


def test_each_operator_s_time_is_told_with_its_module(tiny_files: TinyFiles, tmp_path: Path) -> None:
    """A run keeps origins in debug/, beside what ships."""
    onnx = tiny_files.get("conv_net", "onnx")
    line, debug = tmp_path / "artifacts" / "line", tmp_path / "debug" / "line"
    for folder in (line, debug):
        folder.mkdir(parents=True)
    shutil.copy(onnx.folder / onnx.artifact.file, line)
    nodes = node_names(line / onnx.artifact.file)
    (debug / ORIGINS).write_text(json.dumps({name: {"module": f"model.of.{name}"} for name in nodes}))
    found = operators([line / onnx.artifact.file], Local(), Calls(), ignore)
    (first,) = found.files
    assert first.error is None
    assert first.total_ns == sum(operator.ns for operator in first.operators) > 0
    assert sum(operator.share for operator in first.operators) == pytest.approx(1)
    assert {"Conv", "Gemm"} <= {operator.kind.removeprefix("Fused") for operator in first.operators}
    of_convs = [operator.module for operator in first.operators if operator.kind.endswith("Conv")]
    assert of_convs
    assert all(module.startswith("of.") for module in of_convs)
    assert exit_code(found) == 0
    text = "\n".join(str(part) for part in operators_view(found, 2))
    assert "the 2 operators that take longest" in text
    assert not [path for path in line.iterdir() if path.is_dir()], "the profile itself is left behind"


def test_a_clock_that_is_too_coarse_is_said() -> None:
    timed = TimedOperator(name="Convolution (NHWC, F32) IGEMM", kind="Convolution", ns=0, share=0)
    found = Operators(device={}, threads=1, calls=40, files=[Profiled(file="a.pte", total_ns=0, operators=[timed])])
    assert "less than the microsecond" in "\n".join(str(part) for part in operators_view(found, 2))


def test_a_runtime_that_tells_none_says_so(tiny_files: TinyFiles) -> None:
    file = tiny_files.get("conv_net", "torchscript")
    found = operators([file.folder / file.artifact.file], Local(), Calls(["image:1x3x16x16"]), ignore)
    (one,) = found.files
    assert one.error == "no agent here does profile with PyTorch"
    assert exit_code(found) == 5


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


@pytest.mark.parametrize("format", ["executorch", pytest.param("litert", marks=needs_native)])
def test_delegates_are_seen_into(format: str, tiny_files: TinyFiles) -> None:
    file = tiny_files.get("conv_net", format)
    (one,) = operators([file.folder / file.artifact.file], Local(), Calls(), ignore).files
    assert one.error is None
    assert any(operator.kind == "Convolution" for operator in one.operators)

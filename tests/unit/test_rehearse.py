"""The same files under another version of their runtime: what is said of outputs, latency, and of what does not run."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from tiny_files import TinyFiles

from edgeship.toolchain.commands import rehearse as rehearsing
from edgeship.toolchain.commands.rehearse import exit_code, rehearse
from edgeship.toolchain.commands.subjects import Calls
from edgeship.toolchain.devices import other_python
from edgeship.toolchain.errors import MissingError, RecipeError
from edgeship.toolchain.measure.comparison import Comparison
from edgeship.toolchain.registry import version_of
from edgeship.toolchain.report.rehearsal import Rehearsal, Rehearsed
from edgeship.toolchain.report.terminal.rehearsal import rehearsal_view


def ignore(note: str) -> None:
    """Notes are the command line's."""


def rehearsal(*files: Rehearsed) -> Rehearsal:
    return Rehearsal(
        device={}, distribution="onnxruntime", installed="1.32.0", other="1.30.0", samples=16, files=[*files]
    )


def compared(verdict: str) -> Comparison:
    return Comparison.model_validate(
        {
            "device": "local", "baseline": "a (1.32.0)", "candidate": "a (1.30.0)", "quantity": "latency",
            "verdict": verdict, "ratio": 1.2, "interval": (1.1, 1.3), "threshold": 0.05, "pairs": 20,
            "figures": (1e6, 1.2e6), "size_bytes": (1, 1),
        }
    )  # fmt: skip


def test_what_is_told_and_how_it_ends() -> None:
    same = Rehearsed(file="a", outputs="identical", limit_db=60, latency=compared("no change"))
    slower = Rehearsed(file="b", outputs="alike", sqnr_db=81.25, limit_db=60, latency=compared("regression"))
    unsure = Rehearsed(file="c", outputs="identical", limit_db=60, latency=compared("inconclusive"))
    other = Rehearsed(file="d", outputs="different", sqnr_db=3, limit_db=60)
    broken = Rehearsed(file="e", error="does not run under 1.30.0: load: opset 23 is unknown")
    uncounted = Rehearsed(file="f", outputs="identical", limit_db=60, uncounted="not counted under 1.30.0: no wheel")
    codes = [exit_code(rehearsal(same, each)) for each in (same, slower, unsure, other, broken, uncounted)]
    assert codes == [0, 1, 3, 1, 1, 1]
    assert exit_code(rehearsal(unsure), inconclusive=0) == 0
    text = "\n".join(str(part) for part in rehearsal_view(rehearsal(same, slower, other, broken)))
    for said in (
        "alike, 81.2 dB",
        "different, 3.0 dB",
        "1.20×",
        "opset 23 is unknown",
        "onnxruntime 1.30.0 beside 1.32.0",
    ):
        assert said in text


@pytest.mark.slow
@pytest.mark.heavy
def test_a_version_that_is_the_same_answers_the_same(
    tiny_files: TinyFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsing, "python_with", lambda *requirements: Path(sys.executable))
    file = tiny_files.get("conv_net", "onnx")
    path = file.folder / file.artifact.file
    found = rehearse([path], ["onnxruntime==1.0"], 5, 0.02, None, Calls(), ignore)
    (one,) = found.files
    assert (one.outputs, one.limit_db, found.installed) == ("identical", 60, version_of("onnxruntime"))
    assert one.latency is not None
    assert (one.latency.pairs, one.latency.candidate) == (5, f"{path.name} (1.0)")
    with pytest.raises(RecipeError, match=r"is executed by onnxruntime, not by torch"):
        rehearse([path], ["torch==2.9"], 0, 0.1, None, Calls(), ignore)
    with pytest.raises(RecipeError, match=r"--with onnxruntime: is not NAME==VERSION"):
        rehearse([path], ["onnxruntime"], 0, 0.1, None, Calls(), ignore)

    monkeypatch.setattr(rehearsing, "python_with", lambda *requirements: Path(sys.base_prefix) / "bin" / "python3")
    (broken,) = rehearse([path], ["onnxruntime==1.0"], 5, 0.02, None, Calls(), ignore).files
    assert broken.outputs is None
    assert (broken.error or "").startswith("does not run under 1.0: ")


@pytest.mark.heavy
@pytest.mark.slow
def test_another_version_is_installed_beside_ours(
    tiny_files: TinyFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGESHIP_CACHE", str(tmp_path))
    file = tiny_files.get("conv_net", "onnx")
    found = rehearse([file.folder / file.artifact.file], ["onnxruntime==1.30.0"], 0, 0.1, None, Calls(), ignore)
    assert [each.outputs for each in found.files] == ["identical"]
    assert found.files[0].latency is None
    assert found.files[0].instructions is None
    with pytest.raises(MissingError, match=r"onnxruntime==0\.0\.1 cannot be installed: No matching distribution"):
        other_python.python_with("onnxruntime==0.0.1")
    assert [path.name for path in (tmp_path / "pythons").iterdir() if path.is_dir()] != []


@pytest.mark.heavy
@pytest.mark.slow
@pytest.mark.skipif(
    not shutil.which("qemu-aarch64") or not shutil.which("aarch64-linux-gnu-g++"), reason="no qemu or no ARM compiler"
)
def test_instructions_are_counted_with_the_libraries_of_each_version(tiny_files: TinyFiles, tmp_path: Path) -> None:
    file = tiny_files.get("conv_net", "onnx")
    path = file.folder / file.artifact.file
    found = rehearse([path], ["onnxruntime==1.30.0"], 0, 0.1, "cortex-a76", Calls(), ignore)
    assert (found.files[0].error, found.files[0].uncounted) == (None, None)
    counted = found.files[0].instructions
    assert counted is not None
    assert (counted.device, counted.candidate) == ("cortex-a76", f"{path.name} (1.30.0)")
    assert 0.9 < counted.ratio < 1.1
    assert counted.figures[0] != counted.figures[1]  # other libraries
    text = "\n".join(str(part) for part in rehearsal_view(found))
    assert "counted with the native agent around each version's libraries" in text
    with pytest.raises(RecipeError, match="--count cortex-a99: no core"):
        rehearse([path], ["onnxruntime==1.30.0"], 0, 0.1, "cortex-a99", Calls(), ignore)

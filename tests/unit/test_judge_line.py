"""Verdicts on lines: what the file did is remembered, what a device or the machine did is tried again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from willing_link import Willing, result_of

from edgeship.toolchain import registry
from edgeship.toolchain.artifact import Artifact, Runtime, Tensor
from edgeship.toolchain.build.lines import Built, Comparison
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.devices.local import Local
from edgeship.toolchain.errors import CrashError, DeviceError
from edgeship.toolchain.judge.line import judge
from edgeship.toolchain.judge.verdict import Verdict
from edgeship.toolchain.plugin import Signature
from edgeship.toolchain.protocol.files import JobFiles
from edgeship.toolchain.protocol.messages import Job, Result
from edgeship.toolchain.protocol.run import Run, RunError
from edgeship.toolchain.recipe.plan import Recipe
from edgeship.toolchain.recipe.read import from_tables
from edgeship.toolchain.samples import Samples

KILLED = DeviceError("the agent for onnxruntime died by SIGKILL")
CRASHED = CrashError("the agent for onnxruntime died by SIGSEGV")
SCALAR = Tensor(name="x", dtype="float32", shape=(1,))


class Scripted(Willing):
    """Does what it is told, launch by launch: raises an error, or answers that the runtime refused the file."""

    def __init__(self, script: list[Exception | RunError]) -> None:
        self.script = script

    def execute(self, job: Job, files: JobFiles) -> Result:
        happens = self.script.pop(0)
        if isinstance(happens, Exception):
            raise happens
        return result_of(job, Run(error=happens))


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    model = {"factory": "torch.nn:Identity", "inputs": [{"name": "x", "shape": [1]}]}
    return from_tables({"model": model, "targets": {"onnx": {}}}, tmp_path, "test", "test")


@pytest.fixture
def built(recipe: Recipe, tmp_path: Path) -> Built:
    samples = Samples({"x": np.ones((2, 1), np.float32)})
    for name in ("samples", "reference", "expected"):
        samples.save(tmp_path / name)
    (tmp_path / "model.onnx").write_bytes(b"1")
    artifact = Artifact(
        format="onnx", file="model.onnx", spec="float32", runtime=Runtime(name="onnxruntime", minimum_version="0"),
        inputs=(SCALAR,), outputs=(SCALAR.model_copy(update={"name": "y"}),), size_bytes=1, sha256="0" * 64, dtypes={},
    )  # fmt: skip
    files = Comparison(tmp_path / "samples", tmp_path / "reference", tmp_path / "expected", None, None, None, "digest")
    return Built(recipe.plans[0], tmp_path, artifact, Signature((SCALAR,), ()), files, ())


@pytest.fixture
def run(built: Built, recipe: Recipe, tmp_path: Path) -> Callable[..., Verdict]:
    store = Store(tmp_path / "store")

    def judged(*script: Exception | RunError) -> Verdict:
        """One judgement, in which the device does exactly this."""
        link = Scripted(list(script))
        verdict = judge(built, recipe, Local(), link, store)
        assert link.script == []
        return verdict

    return judged


REFUSED = RunError(phase="load", message="not a model")


def test_what_the_runtime_says_of_the_file_is_remembered(run: Callable[..., Verdict]) -> None:
    assert run(REFUSED).reasons == ("load: not a model",)
    assert run().reasons == ("load: not a model",)  # no launch


def test_an_agent_that_was_killed_is_asked_again_by_the_next_run(run: Callable[..., Verdict]) -> None:
    first = run(KILLED)
    assert first.verdict == "fail"
    assert "died by SIGKILL" in first.reasons[0]
    assert run(REFUSED).reasons == ("load: not a model",)


def test_a_crash_is_tried_once_more_at_once_and_never_remembered(run: Callable[..., Verdict]) -> None:
    assert run(CRASHED, REFUSED).reasons == ("load: not a model",)


def test_a_crash_that_comes_again_fails_the_line_for_this_run_only(run: Callable[..., Verdict]) -> None:
    assert "died by SIGSEGV" in run(CRASHED, CRASHED).reasons[0]
    assert "died by SIGSEGV" in run(CRASHED, CRASHED).reasons[0]


@pytest.mark.parametrize(
    "machine",
    [
        RunError(phase="start", message="ImportError: libGL.so.1"),
        RunError(phase="collect", message="OSError: [Errno 28] No space left on device: 'outputs.bin.part'"),
    ],
)
def test_what_the_machine_lacks_is_not_the_files_fault(run: Callable[..., Verdict], machine: RunError) -> None:
    assert run(machine).verdict == "fail"
    assert run(REFUSED).reasons == ("load: not a model",)


def test_an_edited_metric_of_the_user_is_asked_again(tmp_path: Path) -> None:
    file = tmp_path / "score.py"
    file.write_text("def right(outputs, labels, reference): ...")
    metric = registry.load("metrics", "python").model_validate({"function": f"{file}:right"})
    assert metric.files() == [file]  # type: ignore[attr-defined]

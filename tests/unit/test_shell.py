"""Any device that runs commands, takes files and gives them back: here a folder that stands for another machine."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_files import TinyFile, TinyFiles

from edgeship.toolchain.artifact import Artifact
from edgeship.toolchain.errors import CrashError, DeviceError
from edgeship.toolchain.protocol.jobs import Load, make_job, read_outputs
from edgeship.toolchain.protocol.messages import Config, Job, Result
from edgeship.toolchain.runtime import Agent, RuntimeInfo, python_agent
from edgeship.toolchain.shell import Shell, known

pytestmark = pytest.mark.heavy


class Elsewhere(Shell):
    """Knows nothing of this machine's folders but its own; remembers what was sent."""

    python = sys.executable

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        self.sent: list[str] = []

    def run(self, command: Sequence[str], log: Path, seconds: float, environment: Mapping[str, str]) -> int:
        with log.open("wb") as stream:
            try:
                return subprocess.run(command, stdout=stream, stderr=stream, cwd="/", timeout=seconds).returncode
            except subprocess.TimeoutExpired as error:
                raise TimeoutError from error

    def put(self, source: Path, path: str) -> None:
        self.sent.append(Path(path).name)
        place = Path(self.at(path))
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, place) if source.is_dir() else shutil.copy(source, place)

    def get(self, path: str, target: Path) -> bool:
        if Path(self.at(path)).exists():
            shutil.copy(self.at(path), target)
        return Path(self.at(path)).exists()


class WithAgent(Elsewhere):
    """The same with an agent of the test's."""

    def __init__(self, root: Path, code: str) -> None:
        super().__init__(root)
        self.script = root.parent / "own_agent.py"
        self.script.write_text(code)

    def agents(self, runtime: RuntimeInfo) -> tuple[Agent, ...]:
        return (python_agent("own", frozenset({runtime.name}), self.script),)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "a board's folder; with $(shell) characters"


def launched(link: Shell, file: TinyFile, work: Path, seconds: float = 60) -> tuple[Result, Job]:
    work.mkdir()
    load = Load(file.artifact, file.folder, file.rows, file.feedback)
    job, files = make_job(load, Config(mode="verify"), work, deadline_ns=int(seconds * 1e9))
    return link.execute(job, files), job


@pytest.fixture
def file(tiny_files: TinyFiles) -> TinyFile:
    return tiny_files.get("streaming_net", "onnx")


def test_run_put_and_get_are_all_that_a_device_needs(file: TinyFile, root: Path, tmp_path: Path) -> None:
    link = Elsewhere(root)
    assert link.can_execute(file.artifact) is None
    assert link.facts()["cpu"]["cores"] >= 1
    assert link.is_shared() in (True, False)
    result, job = launched(link, file, tmp_path / "work")
    assert result.runs[0].error is None
    for got, wanted in zip(read_outputs(result, job, tmp_path / "work", file.artifact), file.expected, strict=True):
        np.testing.assert_allclose(got["out"], wanted["out"], rtol=1e-5, atol=1e-6)


def test_nothing_is_sent_twice_and_nothing_of_a_launch_stays(file: TinyFile, root: Path, tmp_path: Path) -> None:
    launched(Elsewhere(root), file, tmp_path / "first")
    again = Elsewhere(root)
    launched(again, file, tmp_path / "second")
    assert [name for name in again.sent if not name.startswith("job-")] == []
    assert {path.name for path in root.iterdir()} == {"files"}


def test_an_agent_that_is_killed_is_the_devices_failure_and_one_that_crashes_may_be_the_files(
    file: TinyFile, root: Path, tmp_path: Path
) -> None:
    def end(how: str) -> DeviceError:
        link = WithAgent(root, f"import os, signal; print('about to fall', flush=True); os.kill(os.getpid(), {how})")
        with pytest.raises(DeviceError, match=r"died by SIG.*; it said last: about to fall") as caught:
            launched(link, file, tmp_path / how)
        return caught.value

    assert not isinstance(end("signal.SIGKILL"), CrashError)
    assert isinstance(end("signal.SIGSEGV"), CrashError)


def test_an_agent_past_its_deadline_is_named(file: TinyFile, root: Path, tmp_path: Path) -> None:
    link = WithAgent(root, "import time; print('still here', flush=True); time.sleep(60)")
    link.facts()
    with pytest.raises(DeviceError, match=r"the agent for ONNX Runtime did not finish within 1 s; .*still here"):
        launched(link, file, tmp_path / "work", seconds=1)


def test_a_device_answers_under_the_name_of_the_runtime_it_has(file: TinyFile, root: Path, tmp_path: Path) -> None:
    class Browser(WithAgent):
        def agents(self, runtime: RuntimeInfo) -> tuple[Agent, ...]:
            (agent,) = super().agents(runtime)
            return (
                Agent("web", {"onnxruntime": "onnxruntime-web"}, agent.modes, agent.files_for, agent.command, tuple),
            )

    asked = "import json, sys; sys.exit(json.load(open(sys.argv[1]))['runtime']['name'])"
    with pytest.raises(DeviceError, match="it said last: onnxruntime-web"):
        launched(Browser(root, asked), file, tmp_path / "work")


@pytest.mark.parametrize("features", [(), ("avx512_vnni",), ("avx_vnni", "avx2")])
def test_an_entry_that_this_cpu_does_not_need_is_left_out(
    file: TinyFile, root: Path, tmp_path: Path, features: tuple[str, ...]
) -> None:
    class Other(WithAgent):
        def facts(self) -> dict[str, Any]:
            return {"os": {"name": "linux"}, "cpu": {"arch": "x86_64", "features": list(features)}}

    entries = {"session.x64quantprecision": "1", "session.other": "2"}
    runtime = file.artifact.runtime.model_copy(update={"options": {"config": entries, "graph_optimization": "all"}})
    changed = replace(file, artifact=file.artifact.model_copy(update={"runtime": runtime}))
    asked = "import json, sys; sys.exit(str(json.load(open(sys.argv[1]))['runtime']['options']))"
    left = {"session.other": "2"} if features else entries
    with pytest.raises(DeviceError) as caught:
        launched(Other(root, asked), changed, tmp_path / "work")
    assert f"'config': {left}" in str(caught.value)
    assert "'graph_optimization': 'all'" in str(caught.value)
    only = {"config": {"session.x64quantprecision": "1"}}
    assert known("onnxruntime").options_on(only, features) == ({} if features else only)


def test_what_no_agent_does_is_known_before_a_launch(file: TinyFile, root: Path) -> None:
    def changed(**update: str) -> Artifact:
        return file.artifact.model_copy(update={"runtime": file.artifact.runtime.model_copy(update=update)})

    link = Elsewhere(root)
    assert link.can_execute(changed(name="tflite-micro")) == "no agent here knows the runtime tflite-micro"
    assert "does energy with ONNX Runtime" in (link.can_execute(file.artifact, "energy") or "")

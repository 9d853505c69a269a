"""This host as a device: what it executes, what it refuses, and what happens when an agent dies or hangs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from native import needs_native
from tiny_files import TinyFile, TinyFiles

from edgeship.toolchain import registry
from edgeship.toolchain.artifact import Artifact, Runtime
from edgeship.toolchain.devices import local
from edgeship.toolchain.devices.agents import build as native_runner
from edgeship.toolchain.devices.agents.python import agents_folder
from edgeship.toolchain.devices.local import Local
from edgeship.toolchain.errors import DeviceError, MissingError
from edgeship.toolchain.protocol.jobs import make_job, read_outputs
from edgeship.toolchain.protocol.messages import Config, Job


def artifact(runtime: str, backend: str = "cpu") -> Artifact:
    return Artifact(
        format="onnx",
        file="m",
        spec="float32",
        runtime=Runtime(name=runtime, minimum_version="0", backend=backend),
        inputs=(),
        outputs=(),
        size_bytes=1,
        sha256="0" * 64,
        dtypes={},
    )


def job_for(file: TinyFile, work: Path, threads: int = 1, seconds: float = 60) -> Job:
    config = Config(mode="verify")
    deadline = int(seconds * 1e9)
    return make_job(
        file.artifact, file.folder, work, file.rows, config, threads, feedback=file.feedback, deadline_ns=deadline
    )


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An agent of our own: what is written into this file is started instead of the real one."""
    script = tmp_path / "agent_of_the_test.py"
    monkeypatch.setattr(local, "command_for", lambda runtime: [sys.executable, "-I", str(script)])
    return script


@pytest.mark.parametrize("format", ["onnx", pytest.param("executorch", marks=needs_native)])
def test_a_job_on_this_host_carries_its_state_and_names_the_machine(
    format: str, tiny_files: TinyFiles, tmp_path: Path
) -> None:
    file = tiny_files.get("streaming_net", format)
    job = job_for(file, tmp_path)
    result = Local().execute(file.artifact, file.folder, job, tmp_path)
    assert result.transport == "local"
    assert result.device.cpu.cores == os.cpu_count()
    assert result.device.model
    assert result.runtime.threads == 1
    for got, wanted in zip(read_outputs(result, job, tmp_path, file.artifact), file.expected, strict=True):
        np.testing.assert_allclose(got["out"], wanted["out"], rtol=1e-5, atol=1e-6)
    assert not list(tmp_path.glob("*.part"))


def test_the_host_never_imports_torch_or_a_runtime() -> None:
    code = (
        "import sys; from edgeship.toolchain.devices.local import Local; d = Local(); d.facts(); "
        "print([m for m in ('torch', 'onnxruntime', 'executorch') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_an_agent_that_dies_is_named_with_its_signal_and_last_words(
    agent: Path, tiny_files: TinyFiles, tmp_path: Path
) -> None:
    agent.write_text("import os, signal; print('about to fall', flush=True); os.kill(os.getpid(), signal.SIGSEGV)")
    file = tiny_files.get("conv_net", "onnx")
    with pytest.raises(DeviceError, match="died by SIGSEGV; it said last: about to fall"):
        Local().execute(file.artifact, file.folder, job_for(file, tmp_path), tmp_path)


def test_a_hanging_agent_is_killed_at_its_deadline_with_its_children(
    agent: Path, tiny_files: TinyFiles, tmp_path: Path
) -> None:
    agent.write_text(
        "import subprocess, sys, time, pathlib\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        "pathlib.Path('child.pid').write_text(str(child.pid))\ntime.sleep(60)\n"
    )
    file = tiny_files.get("conv_net", "onnx")
    start = time.monotonic()
    with pytest.raises(DeviceError, match="did not finish within 1 s"):
        Local().execute(file.artifact, file.folder, job_for(file, tmp_path, seconds=1), tmp_path)
    assert time.monotonic() - start < 10
    child = int((tmp_path / "child.pid").read_text())
    for _ in range(50):
        if not is_alive(child):
            return
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the agent's child outlived it")


def is_alive(pid: int) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_an_old_result_never_stands_for_a_new_one(agent: Path, tiny_files: TinyFiles, tmp_path: Path) -> None:
    agent.write_text("raise SystemExit(3)")
    file = tiny_files.get("conv_net", "onnx")
    (tmp_path / "result.json").write_text("{}")
    with pytest.raises(DeviceError, match="ended with code 3 and no result"):
        Local().execute(file.artifact, file.folder, job_for(file, tmp_path), tmp_path)


def test_something_that_is_no_result_is_refused(agent: Path, tiny_files: TinyFiles, tmp_path: Path) -> None:
    agent.write_text("import sys; open(sys.argv[2], 'w').write('{\"schema\": \"bench-result/2\"}')")
    file = tiny_files.get("conv_net", "onnx")
    with pytest.raises(DeviceError, match="no valid bench-result/1"):
        Local().execute(file.artifact, file.folder, job_for(file, tmp_path), tmp_path)


def test_an_error_of_the_runtime_comes_back_in_the_result(tiny_files: TinyFiles, tmp_path: Path) -> None:
    file = tiny_files.get("conv_net", "onnx")
    job = job_for(file, tmp_path)
    job.artifact.path = str(tmp_path / "nowhere.onnx")
    result = Local().execute(file.artifact, file.folder, job, tmp_path)
    assert result.runs[0].error.phase == "load"


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac has Apple's runtimes")
def test_apples_formats_are_verified_but_never_timed_off_a_mac(tmp_path: Path) -> None:
    for runtime in ("coreml", "coreai"):
        assert Local().can_execute(artifact(runtime)) is None
        for mode in ("latency", "memory"):
            assert f"not its {mode}" in (Local().can_execute(artifact(runtime), mode) or "")
    assert Local().is_slow(artifact("coreai"))
    assert not Local().is_slow(artifact("onnxruntime"))
    assert local.command_for(registry.runtimes()["coreml"])[-1] == "edgeship.targets.coreml.evaluate"


def test_a_backend_or_runtime_that_is_not_here_is_refused_with_the_reason() -> None:
    assert "vulkan" in (Local().can_execute(artifact("executorch", "vulkan")) or "")
    assert "tflite-micro" in (Local().can_execute(artifact("tflite-micro")) or "")
    assert Local().can_execute(artifact("executorch", "xnnpack"), "latency") is None


def test_a_missing_runtime_prints_the_install_command() -> None:
    absent = replace(registry.runtimes()["onnxruntime"], package="no_such_module")
    with pytest.raises(MissingError) as caught:
        local.command_for(absent)
    assert caught.value.hint == "pip install 'edgeship[onnx]'"


def test_without_a_compiler_the_python_agent_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    native_runner.build.cache_clear()
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert local.command_for(registry.runtimes()["executorch"])[-1].endswith("agent.py")
    native_runner.build.cache_clear()


@needs_native
def test_sources_that_do_not_compile_are_an_error_not_a_fallback(tmp_path: Path) -> None:
    shutil.copytree(agents_folder() / "native", tmp_path / "native")
    (tmp_path / "native" / "main.cpp").write_text("int main() { return nonsense; }")
    with pytest.raises(DeviceError, match="nonsense"):
        native_runner.compile_runner(shutil.which("g++") or "", tmp_path / "native", tmp_path)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="CPUs are pinned on Linux only")
def test_pinned_agents_run_on_these_cpus_only(agent: Path, tiny_files: TinyFiles, tmp_path: Path) -> None:
    agent.write_text("import os; print(sorted(os.sched_getaffinity(0)), os.environ['OMP_NUM_THREADS'])")
    file = tiny_files.get("conv_net", "onnx")
    cpu = max(os.sched_getaffinity(0))
    with pytest.raises(DeviceError, match=rf"\[{cpu}\] 3"):
        Local(pin_cpus=(cpu,)).execute(file.artifact, file.folder, job_for(file, tmp_path, threads=3), tmp_path)
    assert cpu in os.sched_getaffinity(0)
    with pytest.raises(DeviceError, match="cannot pin to CPU 4096"):
        Local(pin_cpus=(4096,)).execute(file.artifact, file.folder, job_for(file, tmp_path), tmp_path)


def test_conditions_change_with_what_a_measurement_depends_on() -> None:
    onnx = Local().conditions(artifact("onnxruntime"))
    assert onnx == Local().conditions(artifact("onnxruntime"))
    assert onnx != Local(pin_cpus=(0,)).conditions(artifact("onnxruntime"))
    assert onnx != Local().conditions(artifact("litert"))


def test_conditions_change_with_the_interpreter_that_stands_in_for_a_runtime() -> None:
    def sources(runtime: str) -> set[str]:
        return {file.name for agent in registry.runtimes()[runtime].agents_on("linux") for file in agent.sources()}

    assert {"evaluate.py", "interpreter.py", "upstream.py"} <= sources("coreml")
    assert sources("onnxruntime") == {"agent.py"}
    assert {"main.cpp", "build.py"} <= sources("executorch")

"""This host as a device: what it executes, what it refuses, and what happens when an agent dies or hangs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from native import needs_native
from tiny_files import TinyFile, TinyFiles

from edgeship.toolchain import registry
from edgeship.toolchain.artifact import Artifact, Backend, Runtime
from edgeship.toolchain.commands.inspect import describe
from edgeship.toolchain.devices.agents import build as native_runner
from edgeship.toolchain.devices.agents import kits
from edgeship.toolchain.devices.agents.python import agents_folder
from edgeship.toolchain.devices.local import LocalLink
from edgeship.toolchain.errors import DeviceError, MissingError
from edgeship.toolchain.link import Link
from edgeship.toolchain.protocol.jobs import Load, make_job, read_outputs
from edgeship.toolchain.protocol.messages import Config, Job, Result
from edgeship.toolchain.runtime import Agent, RuntimeInfo, python_agent

pytestmark = pytest.mark.heavy


def artifact(runtime: str, backend: str = "cpu") -> Artifact:
    return Artifact(
        format="onnx",
        file="m",
        spec="float32",
        runtime=Runtime(name=runtime, minimum_version="0", backends=(Backend(name=backend),)),
        inputs=(),
        outputs=(),
        size_bytes=1,
        sha256="0" * 64,
        dtypes={},
    )


@dataclass
class Launch:
    """A launch over a link, its working folder kept."""

    link: Link
    folder: Path

    def __call__(self, file: TinyFile, threads: int = 1, seconds: float = 60) -> tuple[Result, Job]:
        load = Load(file.artifact, file.folder, file.rows, file.feedback, threads)
        job, files = make_job(load, Config(mode="verify"), self.folder, deadline_ns=int(seconds * 1e9))
        return self.link.execute(job, files), job


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    (tmp_path / "work").mkdir()
    return Launch(LocalLink(), tmp_path / "work")


class OwnAgent(LocalLink):
    """This host with an agent of the test's: what is written into `script` is started."""

    def __init__(self, script: Path) -> None:
        super().__init__()
        self.script = script

    def agents(self, runtime: RuntimeInfo) -> tuple[Agent, ...]:
        return (python_agent("own", frozenset({runtime.name}), self.script),)


@pytest.fixture
def script(tmp_path: Path, launch: Launch) -> Path:
    launch.link = OwnAgent(tmp_path / "agent_of_the_test.py")
    return launch.link.script


@pytest.mark.parametrize("format", ["onnx", pytest.param("executorch", marks=needs_native)])
def test_a_job_on_this_host_carries_its_state_and_names_the_machine(
    format: str, tiny_files: TinyFiles, launch: Launch
) -> None:
    file = tiny_files.get("streaming_net", format)
    result, job = launch(file)
    assert result.transport == "local"
    assert result.device.cpu.cores == os.cpu_count()
    assert result.device.model
    assert result.runtime.threads == 1
    for got, wanted in zip(read_outputs(result, job, launch.folder, file.artifact), file.expected, strict=True):
        np.testing.assert_allclose(got["out"], wanted["out"], rtol=1e-5, atol=1e-6)
    assert not list(launch.folder.glob("*.part"))


def test_the_host_never_imports_torch_or_a_runtime() -> None:
    code = (
        "import sys; from edgeship.toolchain.devices.local import Local; d = Local().open().__enter__(); d.facts(); "
        "print([m for m in ('torch', 'onnxruntime', 'executorch') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_an_agent_that_dies_is_named_with_its_signal_and_last_words(
    script: Path, tiny_files: TinyFiles, launch: Launch
) -> None:
    script.write_text("import os, signal; print('about to fall', flush=True); os.kill(os.getpid(), signal.SIGSEGV)")
    file = tiny_files.get("conv_net", "onnx")
    with pytest.raises(DeviceError, match="died by SIGSEGV; it said last: about to fall"):
        launch(file)


def test_a_hanging_agent_is_killed_at_its_deadline_with_its_children(
    script: Path, tiny_files: TinyFiles, launch: Launch
) -> None:
    script.write_text(
        "import subprocess, sys, time, pathlib\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        "pathlib.Path('child.pid').write_text(str(child.pid))\ntime.sleep(60)\n"
    )
    file = tiny_files.get("conv_net", "onnx")
    start = time.monotonic()
    with pytest.raises(DeviceError, match="did not finish within 1 s"):
        launch(file, seconds=1)
    assert time.monotonic() - start < 10
    child = int((launch.folder / "child.pid").read_text())
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


def test_an_old_result_never_stands_for_a_new_one(script: Path, tiny_files: TinyFiles, launch: Launch) -> None:
    script.write_text("raise SystemExit(3)")
    file = tiny_files.get("conv_net", "onnx")
    (launch.folder / "result.json").write_text("{}")
    with pytest.raises(DeviceError, match="ended with code 3 and no result"):
        launch(file)


def test_something_that_is_no_result_is_refused(script: Path, tiny_files: TinyFiles, launch: Launch) -> None:
    script.write_text("import sys; open(sys.argv[2], 'w').write('{\"schema\": \"bench-result/2\"}')")
    file = tiny_files.get("conv_net", "onnx")
    with pytest.raises(DeviceError, match="no valid bench-result/1"):
        launch(file)


def test_an_error_of_the_runtime_comes_back_in_the_result_and_names_no_folder_of_this_launch(
    tiny_files: TinyFiles, launch: Launch, tmp_path: Path
) -> None:
    file = tiny_files.get("conv_net", "onnx")
    (tmp_path / file.artifact.file).write_bytes(b"broken")
    result, _ = launch(replace(file, folder=tmp_path))
    error = result.runs[0].error
    assert error is not None
    assert error.phase == "load"
    assert file.artifact.file in error.message
    assert str(launch.folder) not in error.message
    assert "files/" not in error.message


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac has Apple's runtimes")
def test_apples_formats_are_verified_but_never_timed_off_a_mac(tmp_path: Path) -> None:
    for runtime in ("coreml", "coreai"):
        assert LocalLink().can_execute(artifact(runtime)) is None
        for mode in ("latency", "memory"):
            assert f"not its {mode}" in (LocalLink().can_execute(artifact(runtime), mode) or "")
    assert LocalLink().is_slow(artifact("coreai"))
    assert not LocalLink().is_slow(artifact("onnxruntime"))
    assert LocalLink().agent_for(registry.runtimes()["coreml"], "verify")[0].name == "coreml-evaluator"


def test_a_backend_or_runtime_that_is_not_here_is_refused_with_the_reason() -> None:
    assert "vulkan" in (LocalLink().can_execute(artifact("executorch", "vulkan")) or "")
    assert "tflite-micro" in (LocalLink().can_execute(artifact("tflite-micro")) or "")
    assert LocalLink().can_execute(artifact("executorch", "xnnpack"), "latency") is None


def test_a_missing_runtime_prints_the_install_command() -> None:
    absent = replace(registry.runtimes()["onnxruntime"], package="no_such_module")
    with pytest.raises(MissingError) as caught:
        LocalLink().agent_for(absent, "verify")
    assert caught.value.hint == "pip install 'edgeship[onnx]'"


def test_without_a_compiler_the_python_agent_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    native_runner.build.cache_clear()
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert LocalLink().agent_for(registry.runtimes()["executorch"], "verify")[0].name == "python"
    native_runner.build.cache_clear()


@needs_native
def test_sources_that_do_not_compile_are_an_error_not_a_fallback(tmp_path: Path) -> None:
    shutil.copytree(agents_folder() / "native", tmp_path / "native")
    (tmp_path / "native" / "main.cpp").write_text("int main() { return nonsense; }")
    kit, compiler = kits.EXECUTORCH, shutil.which("g++") or ""
    with pytest.raises(DeviceError, match="nonsense"):
        native_runner.compile_runner(kit, kit.folder(), compiler, tmp_path / "native", tmp_path)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="CPUs are pinned on Linux only")
@pytest.mark.parametrize("format", ["onnx", "torch"])
def test_agents_use_the_cpus_they_are_given_or_say_that_there_is_none(
    format: str, tiny_files: TinyFiles, launch: Launch
) -> None:
    file = tiny_files.get("conv_net", format)
    cpu = max(os.sched_getaffinity(0))
    launch.link = LocalLink((cpu,))
    result, _ = launch(file)
    assert (result.runs[0].error, result.config.pin_cpus) == (None, [cpu])
    launch.link = LocalLink((4096,))
    error = launch(file)[0].runs[0].error
    assert error is not None
    assert (error.phase, "cannot pin to CPU 4096: this process may use " in error.message) == ("start", True)


def test_a_runtime_gets_as_many_threads_as_it_is_asked_for(script: Path, tiny_files: TinyFiles, launch: Launch) -> None:
    script.write_text("import os; print(os.environ['OMP_NUM_THREADS'])")
    with pytest.raises(DeviceError, match="it said last: 3"):
        launch(tiny_files.get("conv_net", "onnx"), threads=3)


def test_conditions_change_with_what_a_measurement_depends_on() -> None:
    onnx = LocalLink().conditions(artifact("onnxruntime"))
    assert onnx == LocalLink().conditions(artifact("onnxruntime"))
    assert onnx != LocalLink((0,)).conditions(artifact("onnxruntime"))
    assert onnx != LocalLink().conditions(artifact("litert"))


def test_conditions_change_with_the_interpreter_that_stands_in_for_a_runtime() -> None:
    def sources(runtime: str) -> set[str]:
        return {file.name for agent in registry.runtimes()[runtime].agents_on("linux") for file in agent.sources()}

    assert {"evaluate.py", "interpreter.py", "upstream.py"} <= sources("coreml")
    assert sources("coreai") == {"agent.py"}
    assert {"agent.py", "onnxruntime.hpp"} <= sources("onnxruntime")
    assert {"main.cpp", "build.py"} <= sources("executorch")


def test_weights_beside_a_graph_made_elsewhere_travel_with_it(launch: Launch, tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(np.full((4, 2), 0.5, np.float32), "w")
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size]) for name, size in (("x", 4), ("y", 2))]
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", ends[:1], ends[1:], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    file = tmp_path / "m.onnx"
    onnx.save(model, file, save_as_external_data=True, location="m.bin", size_threshold=0)
    described = describe(file)
    assert described.extra_files == ("m.bin",)
    rows = [{"x": np.ones((1, 4), np.float32)}]
    result, job = launch(TinyFile(described, tmp_path, rows, [], {}))
    assert read_outputs(result, job, launch.folder, described)[0]["y"].tolist() == [[2.0, 2.0]]

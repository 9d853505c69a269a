"""The agents execute real files by real runtimes: outputs, state, timing, memory and errors."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import psutil
import pytest
from jobs import laid_out
from native import needs_native
from tiny_files import TinyFile, TinyFiles

from edgeship.toolchain.devices.agents import build as native_runner
from edgeship.toolchain.devices.agents import kits
from edgeship.toolchain.devices.agents.python import agents_folder
from edgeship.toolchain.measure import history as measurements
from edgeship.toolchain.measure import soak
from edgeship.toolchain.protocol.jobs import Load, read_outputs
from edgeship.toolchain.protocol.messages import Config, Job, Result, Stop, dump

pytestmark = pytest.mark.heavy

# one worker makes the files; the other has the other tests
ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "apps" / "protocol" / "bench-result-1.schema.json").read_text())
KITS = {"executorch": kits.EXECUTORCH, "onnx": kits.ONNXRUNTIME, "litert": kits.LITERT}
NATIVE = [pytest.param(format, "cpp", marks=needs_native) for format in KITS]
DRIVEN = [("onnx", "python"), ("litert", "python"), *NATIVE]
SHORT = Config(
    mode="latency",
    warmup=Stop(min_iters=10, min_ns=5_000_000, max_ns=500_000_000, adaptive=True),
    measure=Stop(min_iters=100, min_ns=10_000_000, max_ns=500_000_000),
)


def launch(command: list[str], job: Job | dict[str, Any], work: Path) -> tuple[int, Result]:
    (work / "job.json").write_text(dump(job) if isinstance(job, Job) else json.dumps(job))
    done = subprocess.run(
        [*command, str(work / "job.json"), str(work / "result.json")], capture_output=True, timeout=120, check=False
    )
    assert (work / "result.json").exists(), done.stderr.decode()
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads((work / "result.json").read_text()))
    return done.returncode, Result.load(work / "result.json")


def job_for(file: TinyFile, work: Path, config: Config, capture: bool = True) -> Job:
    return laid_out(Load(file.artifact, file.folder, file.rows, file.feedback), work, config, capture=capture)


def python_copy(work: Path) -> list[str]:
    """The Python agent as a board has it: one file, copied, nothing of edgeship beside it."""
    shutil.copy(agents_folder() / "python" / "agent.py", work / "agent.py")
    return [sys.executable, "-I", str(work / "agent.py")]


def native(format: str = "executorch") -> list[str]:
    return [str(native_runner.build(KITS[format], agents_folder() / "native"))]


def command_of(format: str, agent: str, work: Path) -> list[str]:
    return native(format) if agent == "cpp" else python_copy(work)


@pytest.mark.parametrize(("format", "agent"), [("onnx", "python"), *NATIVE])
def test_a_profile_names_each_operator_of_a_call_once(
    format: str, agent: str, tiny_files: TinyFiles, tmp_path: Path
) -> None:
    config = Config(mode="profile", measure=Stop(min_iters=200))
    job = job_for(tiny_files.get("conv_net", format), tmp_path, config, capture=False)
    code, result = launch(command_of(format, agent, tmp_path), job, tmp_path)
    (run,) = result.runs
    assert (code, run.error, result.agent.kind) == (0, None, agent)
    assert run.ops
    assert len({operator.name for operator in run.ops}) == len(run.ops)
    assert {operator.calls for operator in run.ops} == {1}
    kinds = [(operator.type or "").removeprefix("Fused") for operator in run.ops]
    assert sum(kind.startswith("Conv") for kind in kinds) >= 2
    # XNNPACK and LiteRT cut each time down to whole microseconds, and a fast core may need none for so small a net
    assert sum(operator.ns for operator in run.ops) > 0 or format != "onnx"
    assert run.samples is None


@pytest.mark.parametrize(
    ("net", "format", "agent"),
    [
        ("conv_net", "onnx", "python"),
        ("conv_net", "litert", "python"),
        ("conv_net", "torchscript", "python"),
        ("conv_net", "torchscript_lite", "python"),
        *(pytest.param("conv_net", format, "cpp", marks=needs_native) for format in KITS),
        ("streaming_net", "onnx", "python"),
        ("streaming_net", "litert", "python"),
        ("streaming_net", "coreai", "python"),
        *(pytest.param("streaming_net", format, "cpp", marks=needs_native) for format in KITS),
        ("token_net", "onnx", "python"),
        ("token_net", "litert", "python"),
        ("token_net", "torchscript", "python"),
        *(pytest.param("token_net", format, "cpp", marks=needs_native) for format in KITS),
        pytest.param("conv_net", "torch", "python", marks=pytest.mark.slow),
        pytest.param("conv_net", "coreai", "python", marks=pytest.mark.slow),
        pytest.param("token_net", "coreai", "python", marks=pytest.mark.slow),
        pytest.param("streaming_net", "executorch", "python", marks=pytest.mark.slow),
    ],
)
def test_every_runtime_answers_what_eager_torch_answers(
    net: str, format: str, agent: str, tiny_files: TinyFiles, tmp_path: Path
) -> None:
    file = tiny_files.get(net, format)
    job = job_for(file, tmp_path, Config(mode="verify"))
    code, result = launch(command_of(format, agent, tmp_path), job, tmp_path)
    assert result.runs[0].error is None
    assert code == 0
    assert result.agent.kind == agent
    # the Python fallback for ExecuTorch imports torch, and says so
    assert result.agent.imports_torch is (format.startswith("torch") or (format, agent) == ("executorch", "python"))
    file.is_answered_by(read_outputs(result, job, tmp_path, file.artifact))


@needs_native
def test_a_file_loads_where_no_memory_may_be_locked(tiny_files: TinyFiles, tmp_path: Path) -> None:
    """As for every user who is not root, with a file larger than their limit: root of a namespace has it, too."""
    if subprocess.run(["unshare", "-Ur", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces here")
    file = tiny_files.get("conv_net", "executorch")
    unlocked = ["unshare", "-Ur", "bash", "-c", 'ulimit -l 0 && exec "$@"', "bash"]
    code, result = launch([*unlocked, *native()], job_for(file, tmp_path, Config(mode="verify")), tmp_path)
    assert (result.runs[0].error, code) == (None, 0)


@pytest.mark.parametrize(("format", "agent"), DRIVEN)
def test_when_the_time_is_over_the_cases_after_the_first_are_left_out(
    format: str, agent: str, tiny_files: TinyFiles, tmp_path: Path
) -> None:
    file = tiny_files.get("conv_net", format)
    command = command_of(format, agent, tmp_path)
    job = job_for(file, tmp_path, Config(mode="verify", measure=Stop(min_iters=2, max_ns=1)))
    job.cases = [job.cases[0]] * 5
    _, result = launch(command, job, tmp_path)
    assert len(result.runs[0].outputs or []) == 2


@pytest.mark.parametrize(("format", "agent"), DRIVEN)
def test_latency_is_raw_samples_after_a_cold_start_in_parts(
    format: str, agent: str, tiny_files: TinyFiles, tmp_path: Path
) -> None:
    file = tiny_files.get("conv_net", format)
    command = command_of(format, agent, tmp_path)
    code, result = launch(command, job_for(file, tmp_path, SHORT), tmp_path)
    run = result.runs[0]
    assert code == 0
    assert run.cold is not None
    for part in ("process_start", "runtime_init", "load", "prepare", "first_inference"):
        assert getattr(run.cold, part) is not None, part
    assert run.warmup_stop in ("steady", "max_time")
    assert len(run.warmup or []) >= 10
    calls = run.iterations_per_sample or 1
    assert len(run.samples or []) * calls >= 100
    # a call shorter than 100 clock ticks is never timed alone
    assert np.median(run.samples or []) >= 50 * run.clock.resolution
    assert run.outputs is not None, "the outputs of a timed launch can be checked too"


@pytest.mark.parametrize(("format", "agent"), DRIVEN)
def test_memory_is_the_kernels_peak_above_the_agents_own_baseline(
    format: str, agent: str, tiny_files: TinyFiles, tmp_path: Path
) -> None:
    file = tiny_files.get("conv_net", format)
    command = command_of(format, agent, tmp_path)
    _, result = launch(command, job_for(file, tmp_path, Config(mode="memory"), capture=False), tmp_path)
    memory = result.runs[0].memory
    assert memory is not None
    assert memory.peak_method == "kernel"
    baseline, loaded, peak = memory.baseline["vm_rss"], memory.loaded["vm_rss"], memory.peak["vm_hwm"]
    assert baseline < loaded <= peak
    # neither torch nor an exporter is in these processes
    assert peak < (120 if agent == "python" else 40 if format == "executorch" else 60) << 20
    if format == "executorch":
        assert (result.runtime.planned_bytes or 0) > 0


@pytest.mark.parametrize("mode", ["cold", "throughput"])
@pytest.mark.parametrize(("format", "agent"), DRIVEN)
def test_cold_and_throughput_answer_what_they_are_for(
    format: str, agent: str, mode: str, tiny_files: TinyFiles, tmp_path: Path
) -> None:
    file = tiny_files.get("conv_net", format)
    command = command_of(format, agent, tmp_path)
    config = SHORT.model_copy(update={"mode": mode})
    _, result = launch(command, job_for(file, tmp_path, config, capture=False), tmp_path)
    run = result.runs[0]
    assert run.error is None
    if mode == "cold":
        assert run.cold.page_cache == "dropped"
        assert run.cold.first_inference
        assert run.samples is None
    else:
        assert run.completed >= 100
        assert run.window >= 10_000_000


@pytest.mark.parametrize(("format", "agent"), DRIVEN)
def test_a_sustained_run_counts_the_calls_of_all_streams_by_window(
    format: str, agent: str, tiny_files: TinyFiles, tmp_path: Path
) -> None:
    file = tiny_files.get("conv_net", format)
    command = command_of(format, agent, tmp_path)
    length = Stop(min_ns=400_000_000, max_ns=400_000_000)
    config = Config(mode="sustained", measure=length, interval_ns=100_000_000, concurrency=2)
    _, result = launch(command, job_for(file, tmp_path, config, capture=False), tmp_path)
    run = result.runs[0]
    assert run.error is None
    assert [(window.t, window.length) for window in run.windows or []] == [(i * 10**8, 10**8) for i in range(4)]
    assert sum(window.completed for window in run.windows or []) > 20


@pytest.mark.parametrize(("format", "agent"), DRIVEN)
def test_a_file_is_loaded_and_unloaded_without_a_leak(
    format: str, agent: str, tiny_files: TinyFiles, tmp_path: Path
) -> None:
    file = tiny_files.get("conv_net", format)
    command = command_of(format, agent, tmp_path)
    config = Config(mode="rounds", measure=Stop(max_iters=60))
    _, result = launch(command, job_for(file, tmp_path, config, capture=False), tmp_path)
    run = result.runs[0]
    assert run.error is None
    assert len(run.resident or []) == 60
    assert soak.leak_bytes(run.resident or []) == 0


@pytest.mark.parametrize(("format", "agent"), DRIVEN)
def test_a_broken_file_and_a_wrong_shape_are_errors_with_their_phase(
    format: str, agent: str, tiny_files: TinyFiles, tmp_path: Path
) -> None:
    file = tiny_files.get("conv_net", format)
    command = command_of(format, agent, tmp_path)
    job = job_for(file, tmp_path, Config(mode="verify"))
    broken = tmp_path / "broken"
    broken.write_bytes((file.folder / file.artifact.file).read_bytes()[:200])
    cut = job.model_copy(update={"artifact": job.artifact.model_copy(update={"path": broken.name})})
    code, result = launch(command, cut, tmp_path)
    assert code == 1
    assert result.runs[0].error.phase == "load"

    narrow = [tensor.model_copy(update={"shape": [1, 2, 16, 16]}) for tensor in job.cases[0]]
    code, result = launch(command, job.model_copy(update={"cases": [narrow]}), tmp_path)
    assert code == 1
    assert result.runs[0].error.message
    assert result.runs[0].outputs is None


def test_litert_takes_cases_of_different_shapes(tmp_path: Path) -> None:
    import litert_torch
    import torch

    from edgeship.toolchain.artifact import Artifact, Runtime, Tensor, digest

    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.ReLU()).eval()
    path = tmp_path / "dynamic.tflite"
    litert_torch.convert(net, (torch.randn(1, 3, 8, 8),)).export(str(path))
    artifact = Artifact(
        format="litert",
        file=path.name,
        spec="float32",
        runtime=Runtime(name="litert", minimum_version="2.3"),
        inputs=(Tensor(name="x", dtype="float32", shape=(1, 3, "h", "w")),),
        outputs=(Tensor(name="y", dtype="float32", shape=(1, 4, "h", "w")),),
        size_bytes=path.stat().st_size,
        sha256=digest(path),
        dtypes={},
    )
    cases = [{"x": torch.randn(1, 3, *size).numpy()} for size in ((8, 8), (12, 10), (8, 8))]
    job = laid_out(Load(artifact, tmp_path, cases), tmp_path)
    _, result = launch(python_copy(tmp_path), job, tmp_path)
    assert result.runs[0].error is None
    for row, answer in zip(cases, read_outputs(result, job, tmp_path, artifact), strict=True):
        with torch.no_grad():
            np.testing.assert_allclose(answer["y"], net(torch.from_numpy(row["x"])).numpy(), rtol=1e-5, atol=1e-6)


def test_names_in_the_file_decide_the_order_of_inputs(tiny_files: TinyFiles, tmp_path: Path) -> None:
    file = tiny_files.get("streaming_net", "onnx")
    job = job_for(file, tmp_path, Config(mode="verify"))
    turned = job.model_copy(update={"cases": [case[::-1] for case in job.cases], "outputs": job.outputs[::-1]})
    _, result = launch(python_copy(tmp_path), turned, tmp_path)
    captured = read_outputs(result, turned, tmp_path, file.artifact)
    assert [list(row) for row in captured] == [["next_state", "out"]] * 3
    np.testing.assert_allclose(captured[2]["out"], file.expected[2]["out"], rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="CPUs are pinned on Linux only")
@pytest.mark.parametrize(("format", "agent"), DRIVEN)
def test_the_whole_launch_is_pinned(format: str, agent: str, tiny_files: TinyFiles, tmp_path: Path) -> None:
    cpu = max(os.sched_getaffinity(0))
    long = Stop(min_ns=1_000_000_000, min_iters=1, max_ns=1_000_000_000)
    config = Config(mode="latency", measure=long, pin_cpus=[cpu])
    job = job_for(tiny_files.get("conv_net", format), tmp_path, config)
    job.save(tmp_path / "job.json")
    command = [*command_of(format, agent, tmp_path), str(tmp_path / "job.json"), str(tmp_path / "result.json")]
    process, seen = psutil.Popen(command), []
    while process.poll() is None:
        with contextlib.suppress(psutil.Error):
            seen.append(process.cpu_affinity())
        time.sleep(0.02)
    assert [cpu] in seen


REFUSED = {
    "schema": {"schema": "bench-job/9", "cases": "of another form"},
    "runtime.name": {"runtime": {"name": "tflite-micro"}},
    "config.mode": {"config": {"mode": "energy"}},
    "config.timed_region": {"config": {"mode": "latency", "timed_region": "end_to_end"}},
    "config.inputs": {"config": {"mode": "latency", "inputs": "random"}},
    "config.concurrency": {"config": {"mode": "throughput", "concurrency": 4}},
    "requires": {"requires": ["feedback", "config.big_cores"]},
}


@pytest.mark.parametrize(("format", "agent"), DRIVEN)
@pytest.mark.parametrize("field", REFUSED)
def test_an_older_agent_refuses_a_newer_job_by_the_fields_name(
    format: str, agent: str, field: str, tiny_files: TinyFiles, tmp_path: Path
) -> None:
    command = command_of(format, agent, tmp_path)
    job = job_for(tiny_files.get("conv_net", format), tmp_path, Config(mode="verify"))
    code, result = launch(command, {**json.loads(dump(job)), **REFUSED[field]}, tmp_path)
    assert code == 1
    error = result.runs[0].error
    assert error is not None
    assert (error.phase, error.code) == ("start", "UNSUPPORTED_JOB")
    assert error.message.startswith(f"{field}: this agent cannot do ")


@pytest.mark.parametrize(("format", "agent"), DRIVEN)
def test_what_a_newer_job_says_besides_is_ignored_unless_it_is_required(
    format: str, agent: str, tiny_files: TinyFiles, tmp_path: Path
) -> None:
    command = command_of(format, agent, tmp_path)
    job = job_for(tiny_files.get("conv_net", format), tmp_path, Config(mode="verify"))
    newer = {**json.loads(dump(job)), "weather": "fine", "requires": ["feedback"]}
    newer["cases"][0][0]["layout"] = "NCHW"
    code, result = launch(command, newer, tmp_path)
    assert (code, result.runs[0].error) == (0, None)


@pytest.mark.parametrize("content", [None, "{", "[]", '{"schema": "bench-job/1"}'])
def test_the_python_agent_says_what_is_wrong_with_a_job_it_cannot_read(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "job.json").write_text(content)
    command = [*python_copy(tmp_path), str(tmp_path / "job.json"), str(tmp_path / "result.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert re.match(r"agent: (cannot read .*job.json: No such|.*job.json is not a bench-job/1: )", done.stderr)
    assert "Traceback" not in done.stderr


@needs_native
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot read .*job.json: No such file"),
        ("{", "job.json is not a bench-job/1: .*parse_error"),
        ("[]", "job.json is not a bench-job/1"),
        ('{"schema": "bench-job/1", "config": {"mode": "verify"}}', "job.json is not a bench-job/1: .*artifact"),
    ],
)
def test_the_native_agent_says_what_is_wrong_with_a_job_it_cannot_read(
    content: str | None, said: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "job.json").write_text(content)
    command = [*native(), str(tmp_path / "job.json"), str(tmp_path / "result.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert re.match(f"runner: .*{said}", done.stderr)
    assert not (tmp_path / "result.json").exists()


@needs_native
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("absent.bin", "cannot read absent.bin for input image: No such file or directory"),
        (".", "cannot read . for input image: Is a directory"),
        ("short.bin", "short.bin is too short for input image"),
    ],
)
def test_the_native_agent_tells_an_unreadable_case_file_from_a_short_one(
    path: str, said: str, tiny_files: TinyFiles, tmp_path: Path
) -> None:
    (tmp_path / "short.bin").write_bytes(b"1234")
    job = job_for(tiny_files.get("conv_net", "executorch"), tmp_path, Config(mode="verify"))
    elsewhere = [[tensor.model_copy(update={"path": path, "offset": 0}) for tensor in case] for case in job.cases]
    code, result = launch(native(), job.model_copy(update={"cases": elsewhere}), tmp_path)
    assert code == 1
    assert result.runs[0].error.message == said


@needs_native
def test_the_runner_is_compiled_with_the_json_header_of_a_python_package() -> None:
    assert sysconfig.get_paths()["purelib"] in str(native_runner.json_headers())


def test_a_runtime_that_was_driven_from_python_is_noted_as_a_fallback() -> None:
    golden = Result.load(ROOT / "tests/golden/protocol/result-latency.json")
    for runtime, imports_torch, noted in (
        ("executorch", True, ["Python fallback"]),
        ("executorch", False, []),
        ("torch", True, []),
    ):
        result = golden.model_copy(
            update={
                "agent": golden.agent.model_copy(update={"imports_torch": imports_torch}),
                "runtime": golden.runtime.model_copy(update={"name": runtime}),
            }
        )
        assert [note for note in measurements.notes(result) if note == "Python fallback"] == noted


@needs_native
@pytest.mark.slow
def test_the_native_warm_up_is_the_python_one(tmp_path: Path) -> None:
    cases = json.loads((ROOT / "tests/golden/protocol/warmup.json").read_text())
    program = tmp_path / "warmup.cpp"
    program.write_text(
        '#include <iostream>\n#include "measure.hpp"\nint main() {\n'
        "  for (const json& row : json::parse(std::cin)) {\n    size_t next = 0;\n"
        '    auto [taken, why] = warm_up([&] { return row["samples"][next++].get<int64_t>(); }, Stop(row["stop"]));\n'
        '    std::cout << taken.size() << " " << why << "\\n";\n  }\n}\n'
    )
    include = ["-I", str(agents_folder() / "native"), "-isystem", str(native_runner.json_headers())]
    subprocess.run(["g++", "-std=c++17", *include, str(program), "-o", str(tmp_path / "warmup")], check=True)
    said = subprocess.run([tmp_path / "warmup"], input=json.dumps(cases), capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == [f"{case['iterations']} {case['warmup_stop']}" for case in cases]

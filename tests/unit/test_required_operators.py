"""Lists for reduced builds: read back by each runtime's own tool, and enough for the runtime to execute the files."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bundles import Sound, ring
from jobs import laid_out
from native import needs_native
from tiny_files import TinyFile, TinyFiles

from edgeship.targets.executorch.required import LIST as EXECUTORCH_LIST
from edgeship.targets.executorch.required import SETTINGS
from edgeship.targets.litert.required import LIST as LITERT_LIST
from edgeship.targets.onnx.required import CONFIG, WITH_TYPES
from edgeship.toolchain.commands.required import required_operators
from edgeship.toolchain.devices.agents import build, carried, kits
from edgeship.toolchain.devices.agents.python import agents_folder
from edgeship.toolchain.devices.emulated import qemu
from edgeship.toolchain.devices.emulated.cores import CORES
from edgeship.toolchain.errors import EdgeshipError, RecipeError
from edgeship.toolchain.protocol.jobs import Load, read_outputs
from edgeship.toolchain.protocol.messages import Config, Job, Result, Stop, dump
from edgeship.toolchain.report.terminal.required import required_view

pytestmark = pytest.mark.heavy


def path_of(file: TinyFile) -> Path:
    return file.folder / file.artifact.file


def test_onnxruntime_s_own_parser_reads_what_its_runtime_executes(tiny_files: TinyFiles, tmp_path: Path) -> None:
    from onnxruntime.tools.reduced_build_config_parser import parse_config

    file = path_of(tiny_files.get("conv_net", "onnx"))
    (found,) = required_operators([file], tmp_path / "out", None).runtimes
    assert found.written == [f"onnxruntime/{CONFIG}", f"onnxruntime/{WITH_TYPES}"]
    operators, _ = parse_config(str(tmp_path / "out" / found.written[0]))
    _, types = parse_config(str(tmp_path / "out" / found.written[1]), enable_type_reduction=True)
    assert types is not None
    named = {name for by_opset in operators.values() for names in by_opset.values() for name in names}
    assert {"Conv", "Gemm"} <= named, "the file as it stands"
    assert "FusedConv" in operators["com.microsoft"][1], "what the runtime makes of it"
    executed = _executed(file)
    assert executed
    assert executed <= named
    assert not re.search(r"/", (tmp_path / "out" / found.written[0]).read_text()), "a folder of this machine"


def _executed(file: Path) -> set[str]:
    """The kinds of operators that ONNX Runtime calls on this CPU, by its own profiler."""
    from edgeship.toolchain.commands.operators import operators
    from edgeship.toolchain.commands.subjects import Calls
    from edgeship.toolchain.devices.local import Local

    (profiled,) = operators([file], Local(), Calls(), lambda note: None).files
    assert profiled.error is None
    return {operator.kind for operator in profiled.operators}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("qemu-aarch64") is None, reason="no qemu-aarch64 (make system-deps)")
@pytest.mark.parametrize("core", ["cortex-a53", "cortex-a76"])
def test_what_an_arm64_core_executes_is_in_the_list(core: str, tiny_files: TinyFiles, tmp_path: Path) -> None:
    """By ONNX Runtime's wheel for arm64, on an emulated core."""
    file = tiny_files.get("conv_net", "onnx")
    (found,) = required_operators([path_of(file)], tmp_path / "out", None).runtimes
    there = carried.files_for(kits.ONNXRUNTIME, "arm64")
    config = Config(mode="profile", measure=Stop(min_iters=2))
    job = laid_out(Load(file.artifact, file.folder, file.rows, file.feedback), tmp_path, config, capture=False)
    (tmp_path / "job.json").write_text(dump(job))
    machine = ["-cpu", CORES[core].emulated_as, "-L", str(qemu.machine(CORES[core]))]
    loader = [str(there["lib"] / carried.LOADER), "--library-path", str(there["lib"]), str(there["runner"])]
    places = [str(tmp_path / name) for name in ("job.json", "result.json")]
    subprocess.run([qemu.installed().path, *machine, *loader, *places], check=True, timeout=300)
    (run,) = Result.load(tmp_path / "result.json").runs
    executed = {operator.type for operator in run.ops or []}
    assert executed, run.error
    assert executed <= {name.rpartition(".")[2] for name in found.operators}


@pytest.fixture
def selective(tiny_files: TinyFiles, tmp_path: Path) -> tuple[TinyFile, list[str]]:
    """A .pte that calls kernels, and its list."""
    file = tiny_files.get("token_net", "executorch")
    (found,) = required_operators([path_of(file)], tmp_path / "out", None).runtimes
    return file, [name for name in found.operators if "::" in name]


def test_executorch_s_cmake_settings_name_the_operators_of_its_own_list(
    selective: tuple[TinyFile, list[str]], tmp_path: Path
) -> None:
    folder = tmp_path / "out" / "executorch"
    said = re.search(r'SELECT_OPS_LIST "(.*)" CACHE', (folder / SETTINGS).read_text())
    assert said is not None
    again = tmp_path / "again.yaml"
    tool = [sys.executable, "-m", "executorch.codegen.tools.gen_oplist", f"--root_ops={said[1]}"]
    subprocess.run([*tool, f"--output_path={again}"], check=True, capture_output=True)  # as ExecuTorch's CMake does
    assert operators_in(again) == operators_in(folder / EXECUTORCH_LIST) == set(selective[1]) != set()
    assert str(tmp_path) not in (folder / EXECUTORCH_LIST).read_text()


def operators_in(file: Path) -> set[str]:
    import yaml

    return set(yaml.safe_load(file.read_text())["operators"])


@needs_native
def test_executorch_executes_the_file_with_these_operators_and_with_no_fewer(
    selective: tuple[TinyFile, list[str]], tmp_path: Path
) -> None:
    file, operators = selective
    library = _filter(tmp_path)
    job, whole = _answered(file, library, operators, tmp_path / "whole")
    assert whole.runs[0].error is None, whole.runs[0].error
    file.is_answered_by(read_outputs(whole, job, tmp_path / "whole", file.artifact))
    for number, left_out in enumerate(operators):
        fewer = [name for name in operators if name != left_out]
        error = _answered(file, library, fewer, tmp_path / str(number))[1].runs[0].error
        assert error is not None, f"{left_out} is not needed"
        assert "forward" in error.message


def _filter(folder: Path) -> Path:
    """A library that lets the runtime have only the kernels that it is told of."""
    kit, library = kits.EXECUTORCH, folder / "only.so"
    headers = [part for name in kit.includes for part in ("-isystem", str(kit.folder() / name))]
    source = Path(__file__).parents[1] / "only_these_operators.cpp"
    command = ["g++", "-std=c++17", "-shared", "-fPIC", *kit.flags, *headers, str(source), "-o", str(library), "-ldl"]
    subprocess.run(command, check=True)
    return library


def _answered(file: TinyFile, library: Path, operators: list[str], work: Path) -> tuple[Job, Result]:
    work.mkdir()
    (work / "operators.txt").write_text("\n".join(operators))
    job = laid_out(Load(file.artifact, file.folder, file.rows, file.feedback), work)
    (work / "job.json").write_text(dump(job))
    runner = build.build(kits.EXECUTORCH, agents_folder() / "native")
    only = {"LD_PRELOAD": str(library), "ONLY_THESE_OPERATORS": str(work / "operators.txt")}
    command = [str(runner), str(work / "job.json"), str(work / "result.json")]
    subprocess.run(command, env={**os.environ, **only}, capture_output=True, timeout=120, check=False)
    return job, Result.load(work / "result.json")


def test_litert_s_list_has_what_its_interpreter_looks_up(tiny_files: TinyFiles, tmp_path: Path) -> None:
    file = path_of(tiny_files.get("conv_net", "litert"))
    other = shutil.copy(file, tmp_path / "b.tflite")
    (found,) = required_operators([file, other], tmp_path / "out", None).runtimes
    lines = (tmp_path / "out" / "litert" / LITERT_LIST).read_text().splitlines()
    assert lines[:2] == ["# conv_net.tflite", "# b.tflite"]
    told = {line.split()[1] for line in lines[2:]}
    assert {"CONV_2D", "FULLY_CONNECTED"} <= told == set(found.operators)
    assert all(re.fullmatch(r"builtin [A-Z0-9_]+ [1-9]\d* [1-9]\d*", line) for line in lines[2:])


def test_files_of_several_runtimes_share_a_folder_and_a_system_s_runtime_has_no_list(
    tiny_files: TinyFiles, tmp_path: Path
) -> None:
    sources = [path_of(tiny_files.get("conv_net", "litert")), tmp_path / "a.mlpackage", tmp_path / "b.pt"]
    sources[1].mkdir()
    sources[2].touch()
    found = required_operators(sources, tmp_path / "out", None)
    assert [each.runtime for each in found.runtimes] == ["litert", "coreml", "torch"]
    assert [each.whole for each in found.runtimes] == [
        None,
        "comes with the system",
        "has no build with fewer operators",
    ]
    assert [place.name for place in (tmp_path / "out").iterdir()] == ["litert"]
    assert len(list(required_view(found))) == 10


def test_what_cannot_be_read_leaves_nothing_half_written(tiny_files: TinyFiles, tmp_path: Path) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"no model")
    with pytest.raises(EdgeshipError, match=r"broken\.tflite"):
        required_operators([path_of(tiny_files.get("conv_net", "litert")), broken], tmp_path / "out", None)
    assert sorted(place.name for place in tmp_path.iterdir()) == ["broken.tflite"]
    (tmp_path / "out").mkdir()
    with pytest.raises(RecipeError, match="is there already"):
        required_operators([broken], tmp_path / "out", None)


def test_a_bundle_that_is_refused_is_not_read(tmp_path: Path) -> None:
    keys = ring(tmp_path / "keys")
    sound = Sound.make(keys)
    name = sorted(sound.files)[0]
    sound.files[name] = b"changed after signing"
    bundle = sound.write(tmp_path / "bundle")
    with pytest.raises(EdgeshipError, match="refused"):
        required_operators([bundle], tmp_path / "out", keys.roots[0])


def test_a_bundle_s_damaged_file_is_called_by_its_artifact(tmp_path: Path) -> None:
    keys = ring(tmp_path / "keys")
    bundle = Sound.make(keys).but(expires_at="2999-01-01T00:00:00Z").write(tmp_path / "digits.zip")
    with pytest.raises(EdgeshipError, match=r"^int8-onnx: ") as caught:
        required_operators([bundle], tmp_path / "out", keys.roots[0])
    assert "/model.onnx" not in str(caught.value)

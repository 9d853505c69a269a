"""Emulated ARM cores: exact counts, each core's own kernels, and what they cannot say."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from tiny_files import TinyFile, TinyFiles

from edgeship.toolchain.build.store import Store
from edgeship.toolchain.devices.agents.carried import COMPILERS, files_for
from edgeship.toolchain.devices.agents.kits import EXECUTORCH, LITERT, ONNXRUNTIME, Kit
from edgeship.toolchain.devices.emulated import qemu
from edgeship.toolchain.devices.emulated.device import Emulated, EmulatedLink, _counted, core_of
from edgeship.toolchain.devices.launch import launch
from edgeship.toolchain.errors import CrashError, MissingError
from edgeship.toolchain.measure.bench import Subject
from edgeship.toolchain.measure.count import count
from edgeship.toolchain.protocol.jobs import Load
from edgeship.toolchain.protocol.messages import Config
from edgeship.toolchain.protocol.run import Instructions, Run
from edgeship.toolchain.recipe import read as recipes
from edgeship.toolchain.samples import Samples

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(
        shutil.which("qemu-aarch64") is None or shutil.which(COMPILERS["arm64"]) is None,
        reason="no qemu-user or no g++-aarch64-linux-gnu (make system-deps)",
    ),
]

MARKED = """
.globl _start
_start:
    mov x0, #0x4d4b
    movk x0, #0x4553, lsl #16
    mov x1, #1
    mov x8, #167
    svc #0                  // a begin
    mov x3, #1000
1:  {body}
    subs x3, x3, #1
    b.ne 1b
    mov x0, #0x4d4b
    movk x0, #0x4553, lsl #16
    mov x1, #0
    svc #0                  // its end
    mov x0, #0
    mov x8, #93
    svc #0
"""
OVERHEAD = 1 + 4  # before the loop, and what asks for the end


def program(body: str, folder: Path) -> Path:
    """A bare program that executes `body` a thousand times between marks."""
    (folder / "loop.S").write_text(MARKED.format(body=body))
    options = ("-nostdlib", "-static", "-march=armv8.2-a+dotprod")
    subprocess.run(["aarch64-linux-gnu-gcc", *options, "-o", folder / "loop", folder / "loop.S"], check=True)
    return folder / "loop"


def executed(body: str, cpu: str, folder: Path) -> Instructions:
    link = EmulatedLink(cpu)
    link.root = str(folder)
    assert link.run([str(program(body, folder))], folder / "log.txt", 60, {}) == 0
    [found] = _counted(folder / "instructions.txt")
    return found


@pytest.mark.parametrize(
    ("body", "cost", "kinds"),
    [
        ("nop", 1, {}),
        ("add x4, x4, #1\n add x4, x4, x4", 2, {}),
        ("ldr x4, [sp]\n str x4, [sp]", 2, {"memory": 2}),
        ("ldr q4, [sp]", 1, {"memory": 1}),
        ("fadd v0.4s, v1.4s, v2.4s", 1, {"simd": 1}),
        ("fmla v0.4s, v1.4s, v2.4s", 1, {"simd": 1, "multiply_add": 1}),
        ("fmla v0.4s, v1.4s, v2.s[1]", 1, {"simd": 1, "multiply_add": 1}),
        ("sdot v0.4s, v1.16b, v2.16b", 1, {"simd": 1, "dot_product": 1}),
        ("udot v0.4s, v1.16b, v2.4b[2]", 1, {"simd": 1, "dot_product": 1}),
    ],
)
def test_a_loop_of_known_length_counts_exactly(body: str, cost: int, kinds: dict[str, int], tmp_path: Path) -> None:
    found = executed(body, "cortex-a76", tmp_path)
    assert found.total == OVERHEAD + 1000 * (2 + cost)
    assert found.model_dump(exclude={"total"}) == {
        name: 1000 * kinds.get(name, 0) for name in Instructions.model_fields if name != "total"
    }


def test_an_instruction_that_the_core_lacks_is_named_with_the_core(tmp_path: Path) -> None:
    with pytest.raises(CrashError, match="illegal instruction on cortex-a72"):
        executed("sdot v0.4s, v1.16b, v2.16b", "cortex-a72", tmp_path)


def carry(kit: Kit) -> None:
    """Skips where the agent for arm64 cannot be built: its libraries are fetched from a package index once."""
    try:
        files_for(kit, "arm64")
    except MissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def carried() -> None:
    """ExecuTorch's agent for arm64."""
    carry(EXECUTORCH)


def subject(file: TinyFile) -> Subject:
    return Subject("tiny", file.artifact, file.folder, Samples({k: v[None] for k, v in file.rows[0].items()}, None))


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_the_files_of_other_runtimes_agree_and_are_counted(format: str, tiny_files: TinyFiles, tmp_path: Path) -> None:
    carry(ONNXRUNTIME if format == "onnx" else LITERT)
    file = tiny_files.get("conv_net", format)
    link = EmulatedLink("cortex-a76")
    launched = launch(link, Load(file.artifact, file.folder, file.rows), Config(mode="verify"))
    for row, expected in zip(launched.outputs, file.expected, strict=True):
        np.testing.assert_allclose(row["logits"], expected["logits"], rtol=1e-4, atol=1e-5)
    counts = [count(subject(file), link, Store(tmp_path / name)).total for name in ("one", "two")]
    assert counts[0] == counts[1] > 10_000


@pytest.mark.usefixtures("carried")
def test_files_agree_and_the_same_is_counted_wherever_and_whenever(
    tiny_files: TinyFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tiny_files.get("conv_net", "executorch")
    link = EmulatedLink("cortex-a53")
    launched = launch(link, Load(file.artifact, file.folder, file.rows), Config(mode="verify"))
    for row, expected in zip(launched.outputs, file.expected, strict=True):
        np.testing.assert_allclose(row["logits"], expected["logits"], rtol=1e-4, atol=1e-5)
    [run] = launched.result.runs
    assert (run.cold, run.samples, run.memory) == (None, None, None)
    first = count(subject(file), link, Store(tmp_path / "one"))
    assert first.total > 10_000
    monkeypatch.setenv("QEMU_CPU", "cortex-a76")  # the user's own, which loses
    monkeypatch.setenv("A_LONG_NAME" * 20, "x" * 5000)
    for length in (1, 5, 17, 40, 77):
        folder = tmp_path / ("d" * length)
        folder.mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(folder))
        assert count(subject(file), link, Store(tmp_path / f"at {length}")) == first
    assert count(subject(file), EmulatedLink("cortex-a53"), Store(tmp_path / "three")) == first
    other = count(subject(file), EmulatedLink("cortex-a76"), Store(tmp_path / "two"))
    assert other.total != first.total


@pytest.mark.usefixtures("carried")
def test_a_known_count_is_not_made_again(
    tiny_files: TinyFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, store = tiny_files.get("conv_net", "executorch"), Store(tmp_path / "cache")
    first = count(subject(file), EmulatedLink("cortex-a53"), store)
    monkeypatch.setattr(EmulatedLink, "run", lambda *arguments: pytest.fail("run again"))
    assert count(subject(file), EmulatedLink("cortex-a53"), store) == first


def test_a_core_says_what_it_is_and_refuses_what_it_cannot_tell(tiny_files: TinyFiles) -> None:
    link = EmulatedLink("cortex-a55")
    facts = link.facts()
    assert (facts["model"], facts["emulated_as"], facts["emulator"]) == ("cortex-a55", "cortex-a76", True)
    assert "asimddp" in facts["cpu"]["features"]
    artifact = tiny_files.get("conv_net", "executorch").artifact
    assert link.can_execute(artifact) is None
    for mode in ("latency", "cold", "memory", "throughput"):
        assert "there is no" in (link.can_execute(artifact, mode) or "")  # type: ignore[arg-type]
    other = artifact.model_copy(update={"runtime": artifact.runtime.model_copy(update={"name": "coreai"})})
    assert link.can_execute(other) == "no agent for an emulated core drives Core AI yet"


def test_cores_are_closed_and_max_is_refused() -> None:
    assert [core_of(name) for name in ("cortex-a53", "rpi-4", "imx8mp")] == ["cortex-a53", "cortex-a72", "cortex-a53"]
    for cpu, said in (("pixel-8", "pixel-8 has a cortex-x3"), ("rpi4", "is called rpi4"), ("max", "cortex-a35")):
        with pytest.raises(ValidationError, match=said):
            Emulated(cpu=cpu)


def test_a_run_that_was_counted_has_no_times() -> None:
    counted = [Instructions(total=3, memory=1, simd=1, dot_product=0, multiply_add=0)]
    assert Run(instructions=counted).instructions == counted
    with pytest.raises(ValidationError, match="has no samples"):
        Run(instructions=counted, samples=[1])


def test_without_qemu_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    qemu.installed.cache_clear()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingError) as caught, Emulated(cpu="cortex-a53").open():
        pass
    assert caught.value.hint == "install qemu-user"
    qemu.installed.cache_clear()


def test_a_recipe_names_the_core() -> None:
    text = """
[model]
factory = "./model.py:build"
inputs = [{ name = "image", shape = [1, 3, 16, 16] }]
[targets.executorch]
[devices.pi]
device = "emulated"
cpu = "cortex-a72"
"""
    recipe = recipes.parse(text, Path(__file__).parents[1] / "e2e" / "project")
    assert recipe.devices["pi"] == Emulated(cpu="cortex-a72")
    assert recipe.devices["pi"].counts

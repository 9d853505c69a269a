"""Running for long: what is called throttling and what a leak."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_files import TinyFiles

from edgeship.toolchain.commands import soak as soaking
from edgeship.toolchain.commands.soak import exit_code
from edgeship.toolchain.commands.subjects import Calls
from edgeship.toolchain.devices.emulated.device import Emulated
from edgeship.toolchain.devices.local import Local
from edgeship.toolchain.errors import RecipeError
from edgeship.toolchain.measure.soak import Plan, Sustained, leak_bytes
from edgeship.toolchain.protocol.run import Run, Window
from edgeship.toolchain.report.soak import Soak, Soaked
from edgeship.toolchain.report.terminal.soak import bars, soak_view

MB = 1 << 20


def windows(*completed: int) -> Sustained:
    found = [Window(t=i * 10**9, length=10**9, completed=count) for i, count in enumerate(completed)]
    return Sustained(found, Run(windows=found))


@pytest.mark.parametrize(
    ("calls", "verdict"), [((100, 99, 98), "steady"), ((100, 80, 70), "throttles"), ((100, 50), "too short")]
)
def test_throttling_is_a_last_window_below_the_first(calls: tuple[int, ...], verdict: str) -> None:
    assert windows(*calls).verdict == verdict
    assert windows(*calls).per_second == list(calls)


def test_a_leak_is_what_still_grows_when_memory_has_settled() -> None:
    random = np.random.default_rng(0)
    noise = random.integers(-40_000, 40_000, 200)
    settled = [int(30 * MB + 20 * MB * (1 - 0.9**i) + noise[i]) for i in range(200)]
    assert leak_bytes(settled) == 0
    leaking = [settled[i] + 30_000 * i for i in range(200)]
    assert leak_bytes(leaking) == pytest.approx(30_000, rel=0.1)
    assert leak_bytes([30 * MB + 5000 * i for i in range(200)]) == 0  # half a megabyte: an allocator's own moves
    assert leak_bytes([30 * MB]) == 0


def soak_of(*files: Soaked) -> Soak:
    return Soak(device={}, seconds=30, window_s=10, rounds=3, streams=2, threads=1, files=list(files))


def test_what_was_found_is_told_with_its_course_and_its_leak() -> None:
    steady = Soaked(
        file="a.pte", per_second=[200, 100, 150], last_to_first=0.75, speed="throttles", degrees=[(0, 41.2), (30, 55)],
        resident_bytes=[MB, 2 * MB, 3 * MB], leak_bytes=MB,
    )  # fmt: skip
    broken = Soaked(file="b.pte", error="load: no such file")
    text = "\n".join(str(part) for part in soak_view(soak_of(steady, broken)))
    assert "a.pte  █▅▇" in text
    assert "30 seconds in windows of 10 s, 2 streams, threads 1" in text
    assert [exit_code(soak_of(steady, broken)), exit_code(soak_of(broken)), exit_code(soak_of())] == [1, 5, 0]
    assert len(bars([1.0] * 1000)) <= 40


@pytest.mark.heavy
def test_a_file_is_soaked_on_this_host(tiny_files: TinyFiles) -> None:
    file = tiny_files.get("conv_net", "onnx")
    plan = Plan(seconds=0.6, window_s=0.2, rounds=20, streams=2)
    path = file.folder / file.artifact.file
    found = soaking.soak([path], plan, Local(), Calls(), lambda note: None)
    (soaked,) = found.files
    assert soaked.error is None
    assert len(soaked.per_second) == 3
    assert (len(soaked.resident_bytes), soaked.leak_bytes) == (20, 0)


def test_what_cannot_be_soaked_is_said_before_it_begins() -> None:
    plan = Plan(seconds=5, window_s=10, rounds=1, streams=1)
    with pytest.raises(RecipeError, match="5 s have no window of 10 s"):
        soaking.soak([], plan, Local(), Calls(), lambda note: None)
    with pytest.raises(RecipeError, match="an emulated core has no time"):
        soaking.soak([], plan, Emulated(cpu="cortex-a53"), Calls(), lambda note: None)

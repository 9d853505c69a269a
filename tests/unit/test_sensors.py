"""How hot a machine is, and what keeps a launch waiting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from tiny_files import TinyFiles

from edgeship.toolchain import sensors, stats
from edgeship.toolchain.errors import DeviceError
from edgeship.toolchain.measure import history
from edgeship.toolchain.protocol.jobs import Load, make_job
from edgeship.toolchain.protocol.machine import Environment
from edgeship.toolchain.protocol.messages import Config, Result, Stop
from edgeship.toolchain.sensors import read, wait_until_cool
from tests.unit.test_shell import Elsewhere

PI = """millidegrees 52100
khz 1800000
khz 1800000
khz 600000
khz 600000
throttled 0x50000
"""
"""A Raspberry Pi 4 that was throttled since it started, and is not now."""


def test_the_hottest_sensor_the_clocks_and_the_firmware_are_told_as_they_are() -> None:
    state = read(PI, 7)
    assert state == Environment(t=7, soc_c=52.1, cpu_khz=[1800000, 1800000, 600000, 600000], thermal="none")
    throttled = read("millidegrees 85200\nmillidegrees 44000\nthrottled 0x50004\n")
    assert throttled == Environment(t=0, soc_c=85.2, thermal="moderate")


@pytest.mark.parametrize("told", ["", "millidegrees 0\n", "millidegrees -273200\nmillidegrees 255000\n", "khz \n"])
def test_sensors_that_are_not_connected_tell_nothing(told: str) -> None:
    assert read(told) is None


def heats(*degrees: float) -> Iterator[Environment]:
    yield from (Environment(t=0, soc_c=each) for each in degrees)


def test_a_launch_waits_for_the_machine_to_cool_but_not_for_ever() -> None:
    slept: list[float] = []
    seen = heats(70, 62, 60)
    waited, cool = wait_until_cool(lambda: next(seen), 60, sleep=slept.append)
    assert (cool, len(slept), waited > 0) == (True, 2, True)
    assert wait_until_cool(lambda: Environment(t=0, soc_c=50), 60) == (0, True)
    assert wait_until_cool(lambda: None, 60) == (0, True)
    _, cool = wait_until_cool(lambda: Environment(t=0, soc_c=61), 60, longest_s=4, sleep=slept.append)
    assert not cool


class Board(Elsewhere):
    """A folder on this machine that gets cooler with every look."""

    def __init__(self, root: Path, degrees: Sequence[int], cool_c: float | None) -> None:
        super().__init__(root)
        self.cool_c = cool_c
        self.degrees = list(degrees)

    def run(self, command: Sequence[str], log: Path, seconds: float, environment: Mapping[str, str]) -> int:
        if command[:2] != ["sh", "-c"] and command[:2] != ("sh", "-c"):
            return super().run(command, log, seconds, environment)
        now = self.degrees.pop(0) if len(self.degrees) > 1 else self.degrees[0]
        log.write_text(f"millidegrees {now * 1000}\n")
        return 0


@pytest.mark.heavy
def test_a_result_says_how_hot_it_was_and_how_long_it_waited(
    tiny_files: TinyFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensors, "LOOK_S", 0.01)
    file = tiny_files.get("conv_net", "onnx")
    work = tmp_path / "work"
    work.mkdir()
    brief = Stop(min_iters=3, max_ns=10_000_000)
    config = Config(mode="latency", warmup=brief, measure=brief)
    job, files = make_job(Load(file.artifact, file.folder, file.rows[:1]), config, work)
    result: Result = Board(tmp_path / "board", [70, 65, 58, 57, 63], 60).execute(job, files)
    (run,) = result.runs
    assert [state.soc_c for state in run.env or []] == [57, 63]
    assert run.waited
    assert history.notes(result) == ["57 to 63 °C", "waited 0 s to cool"]
    assert "THERMAL" not in stats.validity(result, shared_host=False).flags
    run.env = [Environment(t=0, thermal="moderate")]
    assert not stats.validity(result, shared_host=False).valid
    monkeypatch.setattr(sensors, "LONGEST_WAIT_S", 0.0)
    with pytest.raises(DeviceError, match=r"it is still hotter than 60 °C after \d+ s"):
        Board(tmp_path / "stove", [80], 60).execute(job, files)

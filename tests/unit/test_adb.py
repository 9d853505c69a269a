"""Phones by adb: the real client, and behind it this machine's shell in the place of a phone's."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from adbd import RECORDED, Phone, needs_adb, plugged
from native import needs_native
from tiny_files import TinyFiles

from edgeship.toolchain.devices.adb import state
from edgeship.toolchain.devices.adb.connection import Connection, connection_to
from edgeship.toolchain.devices.adb.device import Adb
from edgeship.toolchain.devices.launch import launch
from edgeship.toolchain.devices.remote.machine import read
from edgeship.toolchain.errors import DeviceError
from edgeship.toolchain.measure import history
from edgeship.toolchain.protocol.jobs import Load
from edgeship.toolchain.protocol.machine import Environment
from edgeship.toolchain.protocol.messages import Config, Stop


def told(thermal: str, battery: str, low_power: str) -> str:
    texts = {"thermalservice": (RECORDED / thermal).read_text(), "battery": (RECORDED / battery).read_text()}
    parts = {**texts, "low_power": f"{low_power}\n"}
    return "khz 300000\n" + "".join(f"{state.MARK}{name}\n{text}" for name, text in parts.items())


def test_heat_battery_and_clocks_are_read_from_what_dumpsys_prints() -> None:
    cool = state.read(told("thermalservice-10.txt", "battery-usb.txt", "0"), 5)
    assert cool == Environment(
        t=5, thermal="none", skin_c=31.4, battery_c=28.5, battery_pct=87, charging=True, power_save=False,
        cpu_khz=[300000],
    )  # fmt: skip
    hot = state.read(told("thermalservice-13.txt", "battery-low.txt", "1"))
    assert (hot.thermal, hot.skin_c, hot.battery_pct) == ("moderate", 43.799995, 12)
    assert (hot.charging, hot.power_save) == (False, True)
    assert state.read("") == Environment(t=0)  # an older Android says nothing, which is not "cool"


def test_a_phone_is_known_by_its_properties() -> None:
    here = "system Linux\nmachine aarch64\nrelease 5\nfolder /data/x\nwritable yes\nexecutes yes\n"
    properties = ("build.version.release 14", "product.manufacturer Google", "product.model Pixel 8", "soc.model GS301")
    phone = "".join(f"android {each}\n" for each in properties)
    facts = read("1A2B", "/data/x", f"{here}{phone}cpu Hardware: nobody's\n").facts
    assert facts["os"] == {"name": "android", "version": "14"}
    assert (facts["manufacturer"], facts["model"], facts["soc"]) == ("Google", "Pixel 8", "GS301")
    emulator = read("emulator-5554", "/data/x", f"{here}{phone}android boot.qemu 1\n").facts
    assert (emulator["emulator"], emulator["emulated_by"]) == (True, "the Android emulator")


@pytest.fixture
def connection(phone: Phone) -> Connection:
    return connection_to(plugged(phone))


@needs_adb
def test_no_phone_and_phones_that_cannot_be_used_say_what_helps(phone: Phone) -> None:
    with pytest.raises(DeviceError, match="adb knows no phone") as caught:
        connection_to("")
    assert "USB debugging" in caught.value.hint
    serial = plugged(phone)
    assert connection_to("").host == serial
    with pytest.raises(DeviceError, match="the phone 1A2B is not attached") as caught:
        connection_to("1A2B")
    assert serial in caught.value.hint


@needs_adb
def test_a_phone_without_exit_codes_is_refused(phone: Phone) -> None:
    phone.features = "cmd"
    with pytest.raises(DeviceError, match="its adbd tells no exit codes"):
        connection_to(plugged(phone))


@needs_adb
def test_commands_files_and_questions_come_through_as_they_are(connection: Connection, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    words = ["sh", "-c", 'echo "$A|$1"; echo to standard error >&2; exit 3', "sh", "a 'b' $HOME"]
    assert connection.run(words, log, 60, {"A": "x y"}) == 3
    assert log.read_text() == "x y|a 'b' $HOME\nto standard error\n"
    assert connection.run(["sh", "-c", "kill -SEGV $$"], log, 60, {}) == -signal.SIGSEGV
    odd = tmp_path / 'it\'s a "phone"; $(touch oops)'
    source = tmp_path / "bytes.bin"
    source.write_bytes(bytes(range(256)) * 4096 + b"\r\n\nedgeship ended 7\n")
    connection.put(source, f"{odd}/there.bin")
    assert connection.get(f"{odd}/there.bin", tmp_path / "back.bin")
    assert (tmp_path / "back.bin").read_bytes() == source.read_bytes()
    assert not connection.get(f"{odd}/nothing", tmp_path / "none")
    with pytest.raises(TimeoutError):
        connection.run(["sh", "-c", "echo begun; sleep 30"], log, 2, {})
    assert log.read_text() == "begun\n"
    assert not list(Path.cwd().glob("oops"))


@needs_adb
@needs_native
@pytest.mark.heavy
def test_a_file_runs_on_a_phone_and_its_state_is_told(phone: Phone, tiny_files: TinyFiles, tmp_path: Path) -> None:
    file = tiny_files.get("streaming_net", "executorch")
    device = Adb(serial=plugged(phone), folder=str(tmp_path / "phone"))
    with device.open() as link:
        assert link.facts()["model"] == "Phone 3"
        assert link.can_execute(file.artifact, "latency") is None
        load = Load(file.artifact, file.folder, file.rows, file.feedback)
        launched = launch(link, load, Config(mode="verify"))
        for row, expected in zip(launched.outputs, file.expected, strict=True):
            np.testing.assert_allclose(row["out"], expected["out"], rtol=1e-4, atol=1e-5)
        brief = Stop(min_iters=5, max_ns=50_000_000)
        timed = launch(link, load, Config(mode="latency", warmup=brief, measure=brief), capture=False).result
        assert (timed.transport, timed.agent.kind) == ("adb", "cpp")
        assert history.notes(timed)[0] == "kernels of the Linux build"
        assert [each.skin_c for each in timed.runs[0].env or []] == [31.4, 31.4]
        assert file.artifact.runtime.name == "executorch"
        with pytest.raises(DeviceError, match=rf"is in use: held by \S+@\S+, process {os.getpid()}, since"):
            device.open().__enter__()
    assert not (tmp_path / "phone" / "lease").exists()
    assert not list((tmp_path / "phone").glob("job-*"))


@needs_adb
def test_a_phone_that_is_unplugged_is_never_a_success(phone: Phone, connection: Connection, tmp_path: Path) -> None:
    phone.cut_after = 5
    with pytest.raises(DeviceError, match=r"the connection to 127\.0\.0\.1:\d+ was lost"):
        connection.run(["echo", "long enough to be cut"], tmp_path / "log.txt", 30, {})
    plugged(phone)
    (tmp_path / "big.bin").write_bytes(os.urandom(1 << 20))
    phone.cut_after = 1 << 19
    with pytest.raises(DeviceError, match="was lost"):
        connection.get(str(tmp_path / "big.bin"), tmp_path / "half.bin")
    assert not (tmp_path / "half.bin").exists()

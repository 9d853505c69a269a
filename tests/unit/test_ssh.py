"""Machines reached by ssh: this one through a server of its own on loopback, OpenSSH's and dropbear."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from small_disks import enlarge, small_disk
from ssh_servers import SSHD, Server, can_serve_dropbear, dropbear, openssh
from tiny_files import TinyFile, TinyFiles

from edgeship.toolchain.devices.launch import launch
from edgeship.toolchain.devices.remote.machine import PROBE, read
from edgeship.toolchain.devices.ssh.connection import Connection, connected
from edgeship.toolchain.devices.ssh.device import Ssh, SshLink
from edgeship.toolchain.errors import DeviceError
from edgeship.toolchain.protocol.jobs import Load
from edgeship.toolchain.protocol.messages import Config

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(
        shutil.which("ssh") is None or SSHD is None, reason="no openssh-client or openssh-server (make system-deps)"
    ),
]


@pytest.fixture(scope="module", params=["openssh", "dropbear"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "dropbear" and not can_serve_dropbear():
        pytest.skip("no dropbear, or this is not root")
    with (openssh if request.param == "openssh" else dropbear)(folder) as running:
        yield running


@pytest.fixture
def connection(server: Server) -> Iterator[Connection]:
    with connected(server.host, server.options) as opened:
        yield opened


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    return tmp_path / 'it\'s a "board"; $(touch oops) `touch oops` & more'


def test_a_command_ends_with_its_own_code_or_signal(connection: Connection, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    words = ["sh", "-c", 'echo "$A|$1"; echo to standard error >&2; exit 3', "sh", "a 'b' $HOME"]
    assert connection.run(words, log, 30, {"A": "x y"}) == 3
    assert log.read_text() == "x y|a 'b' $HOME\nto standard error\n"
    assert connection.run(["sh", "-c", "printf unended"], log, 30, {}) == 0
    assert log.read_text() == "unended"
    assert connection.run(["sh", "-c", "kill -SEGV $$"], log, 30, {}) == -signal.SIGSEGV


def test_what_is_late_is_ended(connection: Connection, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    with pytest.raises(TimeoutError):
        connection.run(["sh", "-c", "echo begun; sleep 31; echo over"], log, 1, {})
    assert log.read_text() == "begun\n"
    assert not connection.succeeds('ps ax 2>/dev/null | grep -v grep | grep -q "over$"')


def test_files_and_folders_arrive_whole_wherever_they_go(connection: Connection, odd: Path, tmp_path: Path) -> None:
    source = tmp_path / "a folder"
    (source / "inner").mkdir(parents=True)
    (source / "inner" / "it's.bin").write_bytes(bytes(range(256)) * 4096)
    (source / "link").symlink_to(sys.executable)
    (source / "run").write_text("#!/bin/sh\necho ran\n")
    (source / "run").chmod(0o755)
    connection.put(source, f"{odd}/there")
    assert connection.ask('"$1"', f"{odd}/there/run") == "ran\n"
    assert connection.ask('wc -c < "$1"', f"{odd}/there/link").strip() == str(Path(sys.executable).stat().st_size)
    back = tmp_path / "back.bin"
    assert connection.get(f"{odd}/there/inner/it's.bin", back)
    assert back.read_bytes() == bytes(range(256)) * 4096
    assert not connection.get(f"{odd}/there/inner", tmp_path / "none")
    assert not (tmp_path / "none").exists()
    with pytest.raises(DeviceError, match=r"cannot bring back\.bin to 127\.0\.0\.1:/proc/x/y"):
        connection.put(back, "/proc/x/y")
    assert not list(Path.cwd().glob("oops"))


@pytest.mark.parametrize(
    "format", ["executorch", *(pytest.param(name, marks=pytest.mark.slow) for name in ("onnx", "litert"))]
)
def test_a_file_runs_where_no_python_is_and_is_sent_once(
    format: str, server: Server, tiny_files: TinyFiles, odd: Path
) -> None:
    file = tiny_files.get("streaming_net", format)
    for first in (True, False):
        device = Ssh(host=server.host, options=server.options, folder=str(odd), python="/nowhere/python")
        with device.open() as link:
            sent = _counted(link)
            assert link.can_execute(file.artifact, "latency") is None
            answers(link, file)
            assert any(name != "job" for name in sent) == first


def test_a_python_there_drives_what_no_native_agent_does(tiny_files: TinyFiles, odd: Path, tmp_path: Path) -> None:
    file = tiny_files.get("streaming_net", "coreai")
    with openssh(tmp_path) as running:
        device = Ssh(host=running.host, options=running.options, folder=str(odd), python=sys.executable)
        with device.open() as link:
            assert link.can_execute(file.artifact) is None
            answers(link, file)
        with device.model_copy(update={"python": "/nowhere/python"}).open() as link:
            assert link.can_execute(file.artifact) == "/nowhere/python on 127.0.0.1 has not both numpy and coreai"


def test_it_tells_what_it_is_without_a_python(connection: Connection, odd: Path) -> None:
    machine = read("board", str(odd), connection.ask(PROBE, str(odd)))
    assert machine.folder == str(odd)
    assert machine.facts["os"]["name"] == "linux"
    assert machine.facts["cpu"]["cores"] >= 1
    assert machine.facts["ram"] > 2**28


def test_a_closed_door_says_why_and_what_must_work(server: Server) -> None:
    def changed(name: str, value: str) -> tuple[str, ...]:
        return (*(option for option in server.options if not option.startswith(name)), f"{name}={value}")

    for options, said in (
        (("Port=1",), "Connection refused"),
        (changed("IdentityFile", "/dev/null"), "Permission denied"),
        (changed("UserKnownHostsFile", "/dev/null"), "verification failed"),
    ):
        with pytest.raises(DeviceError, match=said) as caught, connected(server.host, options):
            pass
        assert caught.value.hint == "`ssh -o BatchMode=yes 127.0.0.1 true` must work without a question"


def test_a_server_that_goes_away_is_no_crash_of_the_file(tmp_path: Path) -> None:
    end_its_server = ["sh", "-c", 'kill -KILL "$(ps -o ppid= -p $PPID)"; sleep 5']
    with (
        openssh(tmp_path) as running,
        connected(running.host, running.options) as opened,
        pytest.raises(DeviceError, match=r"the connection to 127\.0\.0\.1 was lost"),
    ):
        opened.run(end_its_server, tmp_path / "log.txt", 20, {})


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("system Darwin\nmachine arm64\n", "board is Darwin on arm64: only Linux"),
        ("system Linux\nmachine mips\n", "board is Linux on mips: only Linux"),
        ("system Linux\nmachine aarch64\nrelease 5\n", "cannot write to /tmp/x on board"),
        ("system Linux\nmachine aarch64\nrelease 5\nfolder /tmp/x\nwritable yes\n", "it is mounted noexec"),
    ],
)
def test_where_nothing_can_run_the_folder_is_asked_for(told: str, said: str) -> None:
    with pytest.raises(DeviceError, match=said):
        read("board", "/tmp/x", told)


def test_a_full_disk_there_is_said_and_with_room_the_next_run_works(tiny_files: TinyFiles, tmp_path: Path) -> None:
    file = tiny_files.get("streaming_net", "executorch")
    with openssh(tmp_path) as running, small_disk(tmp_path / "small", "1m") as folder:
        device = Ssh(host=running.host, options=running.options, folder=str(folder))
        with device.open() as link:
            with pytest.raises(DeviceError, match=r"cannot bring \S+ to 127\.0\.0\.1:.*No space left") as caught:
                answers(link, file)
            assert caught.value.hint == "is there room, and may you write there?"
        assert not list(folder.rglob("*.part"))
        enlarge(folder, "200m")
        with device.open() as link:
            answers(link, file)


def answers(link: SshLink, file: TinyFile) -> None:
    launched = launch(link, Load(file.artifact, file.folder, file.rows, file.feedback), Config(mode="verify"))
    assert launched.result.transport == "ssh"
    for row, expected in zip(launched.outputs, file.expected, strict=True):
        np.testing.assert_allclose(row["out"], expected["out"], rtol=1e-4, atol=1e-5)


def _counted(link: SshLink) -> list[str]:
    sent: list[str] = []
    put = link._connection.put

    def counted(source: Path, place: str) -> None:
        sent.append(source.name.partition(".")[0])
        put(source, place)

    link._connection.put = counted  # type: ignore[method-assign]
    return sent


def arch(device: Ssh) -> str:
    with device.open() as link:
        return str(link.facts()["cpu"]["arch"])


def test_a_machine_is_one_runs_at_a_time(server: Server, odd: Path) -> None:
    device = Ssh(host=server.host, options=server.options, folder=str(odd))
    with device.open():
        with pytest.raises(DeviceError, match=rf"is in use: held by \S+@\S+, process {os.getpid()}, since") as caught:
            device.open().__enter__()
        assert caught.value.hint == "wait for it (wait_s), or take another machine"
        other = ThreadPoolExecutor(1)
        waiting = other.submit(arch, device.model_copy(update={"wait_s": 60}))
        time.sleep(1)
        assert not waiting.done()
    assert waiting.result() in ("x86_64", "arm64")
    assert not odd.joinpath("lease").exists()


def test_a_lease_whose_holder_is_gone_is_no_lease(server: Server, odd: Path) -> None:
    odd.joinpath("lease").mkdir(parents=True)
    odd.joinpath("lease", "pid").write_text("4194305")  # above the kernel's largest
    with Ssh(host=server.host, options=server.options, folder=str(odd)).open():
        assert int(odd.joinpath("lease", "pid").read_text()) < 4194305
    assert not odd.joinpath("lease").exists()


@pytest.mark.parametrize(
    ("told", "by"),
    [
        ("executed_by /usr/bin/qemu-aarch64-static /usr/bin/qemu-aarch64-static", "qemu-aarch64-static"),
        ("cpu vendor_id: AuthenticAMD", "qemu"),
        ("executed_by /usr/bin/dash /usr/sbin/sshd", None),
    ],
)
def test_a_machine_that_is_secretly_emulated_has_no_times(told: str, by: str | None) -> None:
    here = "system Linux\nmachine aarch64\nrelease 5\nfolder /tmp/x\nwritable yes\nexecutes yes\n"
    facts = read("board", "/tmp/x", f"{here}cpu model name: AMD EPYC\n{told}\n").facts
    assert (facts.get("emulator"), facts.get("emulated_by")) == (True if by else None, by)
    assert ("model" in facts) is (by is None)

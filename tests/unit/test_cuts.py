"""Connections that break at any moment: every launch ends, what was finished is kept, nothing stays on the device."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest
from adbd import Phone, plugged, serving
from native import needs_native
from ssh_servers import SSHD, openssh
from tiny_files import TinyFile, TinyFiles

from edgeship.toolchain.devices.adb.device import Adb
from edgeship.toolchain.devices.launch import launch
from edgeship.toolchain.devices.remote.link import RemoteLink
from edgeship.toolchain.devices.ssh.connection import Connection
from edgeship.toolchain.devices.ssh.device import Ssh
from edgeship.toolchain.devices.timed import Timed
from edgeship.toolchain.errors import DeviceError
from edgeship.toolchain.protocol.jobs import Load
from edgeship.toolchain.protocol.messages import Config, Stop

pytestmark = [
    pytest.mark.heavy,
    needs_native,
    pytest.mark.skipif(
        shutil.which("ssh") is None or SSHD is None or shutil.which("adb") is None,
        reason="no openssh-client, openssh-server or adb (make system-deps)",
    ),
]
FEW, ALL = 2, 50
LONGEST_S = 1.0
"""A cut comes within this time after a launch began: from its first question to after its end."""

Cut = Callable[[RemoteLink], None]


@contextmanager
def by_ssh(folder: Path) -> Iterator[tuple[Timed, Cut]]:
    (folder / "keys").mkdir()
    with openssh(folder / "keys") as running:

        def cut(link: RemoteLink) -> None:
            assert isinstance(link._connection, Connection)
            link._connection.close()

        yield Ssh(host=running.host, options=running.options, folder=str(folder / "device"), wait_s=30), cut


@contextmanager
def by_adb(folder: Path) -> Iterator[tuple[Timed, Cut]]:
    (folder / "tools").mkdir()
    with serving(Phone(folder / "tools")) as phone:
        plugged(phone)

        def cut(link: RemoteLink) -> None:
            phone.cut_after = 0

        yield Adb(folder=str(folder / "device"), wait_s=30), cut


@pytest.mark.parametrize("count", [FEW, pytest.param(ALL, marks=pytest.mark.slow)])
@pytest.mark.parametrize("way", [pytest.param(by_ssh, marks=pytest.mark.slow), by_adb])
def test_wherever_a_connection_is_cut_the_launch_ends_and_the_device_is_clean(
    way: Callable[[Path], ExitStack], count: int, server: None, tiny_files: TinyFiles, tmp_path: Path
) -> None:
    file = tiny_files.get("streaming_net", "executorch")
    chance, ends = random.Random(0), []
    with way(tmp_path) as (device, cut):
        assert finished(device, file)
        for index in range(count):
            # spread evenly: the first comes before a launch can be over, whose measuring takes half a second
            ends.append(launched_and_cut(device, file, cut, (index + chance.random()) / count * LONGEST_S))
            assert finished(device, file)  # the next run finds it as if nothing had been
            assert left_on(tmp_path / "device") == []
    assert {type(end) for end in ends} <= {DeviceError, type(None)}
    assert any(ends)
    assert not [each for each in psutil.process_iter(["cmdline"]) if str(tmp_path / "device") in str(each.info)]


def launched_and_cut(device: Timed, file: TinyFile, cut: Cut, after_s: float) -> Exception | None:
    """How a launch ended during which the connection broke, or may have."""
    brief = Stop(min_iters=1, min_ns=500_000_000, max_ns=500_000_000)
    try:
        with device.open() as link:
            assert isinstance(link, RemoteLink)
            timer = threading.Timer(after_s, cut, [link])
            timer.start()
            try:
                launch(link, Load(file.artifact, file.folder, file.rows[:1]), Config(mode="latency", measure=brief))
            finally:
                timer.cancel()
                timer.join()
    except DeviceError as error:
        return error
    return None


def finished(device: Timed, file: TinyFile) -> bool:
    """Whether a run goes through, once the device is there again."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with device.open() as link:
                found = launch(link, Load(file.artifact, file.folder, file.rows, file.feedback), Config(mode="verify"))
        except DeviceError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
            continue
        pairs = zip(found.outputs, file.expected, strict=True)
        return all(np.allclose(row["out"], expected["out"], rtol=1e-4, atol=1e-5) for row, expected in pairs)


def left_on(folder: Path) -> list[str]:
    """What is there besides the files that are kept by their digests."""
    return [path.name for path in folder.iterdir() if path.name != "files"] + [
        path.name for path in folder.glob("files/*/*.part")
    ]

"""Arm64 boards over ssh, with an old C library and with another one: the agent brings its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import boards
import pytest
from ssh_servers import SSHD, Server, openssh
from tiny_files import TinyFile, TinyFiles

from edgeship.toolchain.devices.agents.carried import COMPILERS
from edgeship.toolchain.devices.launch import launch
from edgeship.toolchain.devices.ssh.connection import connected
from edgeship.toolchain.devices.ssh.device import Ssh, SshLink
from edgeship.toolchain.protocol.jobs import Load
from edgeship.toolchain.protocol.messages import Config

LACKING = boards.missing() or (
    "no openssh-server or no g++-aarch64-linux-gnu (make system-deps)"
    if SSHD is None or shutil.which(COMPILERS["arm64"]) is None
    else ""
)
pytestmark = [
    pytest.mark.heavy,
    pytest.mark.slow,  # fetches the packages of two roots
    pytest.mark.skipif(bool(LACKING), reason=LACKING),
]


@pytest.fixture(scope="module", params=boards.ROOTS)
def board(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp(request.param)
    with openssh(folder, boards.entrance(request.param, folder)) as running:
        yield running


@pytest.mark.parametrize("format", ["executorch", "onnx", "litert"])
def test_a_board_without_python_verifies_with_the_c_library_that_the_agent_brings(
    format: str, board: Server, tiny_files: TinyFiles
) -> None:
    file = tiny_files.get("streaming_net", format)
    with Ssh(host=board.host, options=board.options).open() as link:
        facts = link.facts()
        assert (facts["cpu"]["arch"], facts["emulator"]) == ("arm64", True)
        assert facts["emulated_by"].startswith("qemu")
        assert link.can_execute(file.artifact) is None
        assert link.is_slow(file.artifact)
        assert "is emulated" in (link.can_execute(file.artifact, "latency") or "")
        answers(link, file)


def answers(link: SshLink, file: TinyFile) -> None:
    launched = launch(link, Load(file.artifact, file.folder, file.rows, file.feedback), Config(mode="verify"))
    assert launched.result.runs[0].error is None
    assert (launched.result.agent.kind, launched.result.device.cpu.arch) == ("cpp", "arm64")
    file.is_answered_by(launched.outputs)


def test_nothing_but_the_files_stays_on_a_board(board: Server, tiny_files: TinyFiles) -> None:
    with Ssh(host=board.host, options=board.options).open() as link:
        answers(link, tiny_files.get("streaming_net", "executorch"))
    with connected(board.host, board.options) as connection:
        assert connection.ask("ls -A /root /root/.cache /root/.cache/edgeship /tmp").split() == [
            *("/root:", ".cache", "/root/.cache:", "edgeship", "/root/.cache/edgeship:", "files", "/tmp:")
        ]

"""A phone to plug in: the real adb client, and behind it this machine's shell in the place of a phone's."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from adbd import TOOLS, Phone, serving


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """An adb server of the test's own, which knows no other phone."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(free.getsockname()[1]))
    monkeypatch.setenv("HOME", str(tmp_path))  # where adb keeps its keys
    monkeypatch.setenv("ADB_MDNS_AUTO_CONNECT", "0")
    yield
    subprocess.run(["adb", "kill-server"], capture_output=True, check=False)


@pytest.fixture
def phone(server: None, tmp_path: Path) -> Iterator[Phone]:
    tools = tmp_path / "tools"
    tools.mkdir()
    with serving(Phone(tools)) as running:
        for name, script in TOOLS.items():
            running.has(name, script)
        yield running

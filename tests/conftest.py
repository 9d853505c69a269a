"""Fixtures that several tests share."""

from __future__ import annotations

import signal

import pytest
from tiny_files import TinyFiles


def pytest_configure() -> None:
    """A shell's background job ignores Ctrl-C, and so would every command that is tested in one."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def tiny_files(tmp_path_factory: pytest.TempPathFactory) -> TinyFiles:
    """The tiny nets of tests/models.py as files of every runtime, each made at its first use."""
    return TinyFiles(tmp_path_factory.mktemp("tiny-files"))

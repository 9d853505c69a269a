"""Fixtures that several tests share."""

from __future__ import annotations

import pytest
from tiny_files import TinyFiles


@pytest.fixture(scope="session")
def tiny_files(tmp_path_factory: pytest.TempPathFactory) -> TinyFiles:
    """The tiny nets of tests/models.py as files of every runtime, each made at its first use."""
    return TinyFiles(tmp_path_factory.mktemp("tiny-files"))

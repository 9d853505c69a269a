"""Fixtures that several tests share."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_files import TinyFiles


def pytest_configure() -> None:
    """A shell's background job ignores Ctrl-C, and so would every command that is tested in one.

    No test adds to the history of who runs it. Processes that share cores must not wait for each other's OpenMP
    threads: they spin, and the same tests took three times the CPU seconds.
    """
    os.environ["EDGESHIP_HISTORY"] = ""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


HEAVY = "\npytestmark = pytest.mark.heavy\n"
EXPORTERS = {
    "executorch",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "litert_torch",
    "ai_edge_litert",
    "coremltools",
    "coreai",
}


def is_fast(config: pytest.Config) -> bool:
    """Whether this is make test-fast."""
    return "not heavy" in config.getoption("markexpr")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The fast tier does not even import a file that is heavy as a whole: exporters may be missing."""
    heavy = collection_path.suffix == ".py" and is_fast(config) and HEAVY in collection_path.read_text()
    return True if heavy else None


@pytest.fixture(scope="module", autouse=True)
def _no_exporter(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keeps the fast tier fast."""
    before = EXPORTERS & set(sys.modules)
    yield
    if imported := is_fast(request.config) and EXPORTERS & set(sys.modules) - before:
        pytest.fail(f"imports {', '.join(sorted(imported))}: mark it heavy")


@pytest.fixture(scope="session")
def tiny_files(tmp_path_factory: pytest.TempPathFactory) -> TinyFiles:
    """The tiny nets of tests/models.py as files of every runtime, each made at its first use."""
    return TinyFiles(tmp_path_factory.mktemp("tiny-files"))

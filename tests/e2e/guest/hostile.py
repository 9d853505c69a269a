"""Targets that a converter's bad days are made of; `Waits` stands still so that a test can kill it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from edgeship.toolchain.api import Artifact, Context, Target


class Hostile(Target):
    """Base: float only, and nothing good comes of it."""

    format = "torch"

    def schemes(self) -> frozenset[str]:
        return frozenset({"float32"})


class Aborts(Hostile):
    """Crashes its process."""

    def export(self, program: Any, out: Path, context: Context) -> Artifact:
        os.abort()


class Waits(Hostile):
    """Stands in the middle of its work, half a file written."""

    def export(self, program: Any, out: Path, context: Context) -> Artifact:
        (out / "half.bin").write_bytes(b"half")
        Path(os.environ["WAITING"]).write_text(str(os.getpid()))
        time.sleep(10_000)
        raise AssertionError


class Eats(Hostile):
    """Takes memory without end."""

    def export(self, program: Any, out: Path, context: Context) -> Artifact:
        held = []
        for _ in range(200):
            held.append(b"x" * 100_000_000)
            time.sleep(0.05)
        raise AssertionError(len(held))


class Fails(Hostile):
    """Raises something edgeship has never heard of."""

    def export(self, program: Any, out: Path, context: Context) -> Artifact:
        raise KeyError("aten::made_up")

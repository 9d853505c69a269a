"""The one-file Python agent: every runtime that has a Python package, and what this machine is."""

from __future__ import annotations

import functools
import runpy
from importlib.resources import files
from pathlib import Path
from typing import Any

from edgeship.toolchain.api import LASTING, TIMED, MissingError, python_agent


def agents_folder() -> Path:
    """apps/agents of a checkout or of the installed package."""
    folder = Path(str(files("edgeship") / "apps" / "agents"))
    if not (folder / "python" / "agent.py").is_file():
        raise MissingError("the agents' sources are missing from this installation", "reinstall edgeship")
    return folder


PYTHON = python_agent(
    "python",
    frozenset({"onnxruntime", "litert", "torch", "executorch", "coreai", "coreml"}),
    agents_folder() / "python" / "agent.py",
    TIMED | LASTING,
)
PROFILER = python_agent(
    "python-profiler",
    frozenset({"onnxruntime", "executorch"}),
    agents_folder() / "python" / "agent.py",
    frozenset({"verify", "profile"}),  # PYTHON, which comes before it, is the one that verifies
)
"""The same program, for the runtimes that tell it what each operator took."""


def known_cpu_features() -> frozenset[str]:
    """Those that results name, as /proc/cpuinfo writes them."""
    return frozenset(_agent()["CPU_FEATURES"])


@functools.cache
def facts() -> dict[str, Any]:
    """What this machine is, as its agent tells; the agent's file is run for it, without a process of its own."""
    told: dict[str, Any] = _agent()["facts"]()
    return told


@functools.cache
def _agent() -> dict[str, Any]:
    return runpy.run_path(str(agents_folder() / "python" / "agent.py"))

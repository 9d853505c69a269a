"""How each runtime's agent on this host is found and started."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import runpy
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import edgeship
from edgeship.toolchain.api import Artifact, MissingError, missing_extra
from edgeship.toolchain.devices.agents import build as native_runner

RUNTIMES = {
    # runtime: (module, distribution, edgeship extra); torch is always there
    "executorch": ("executorch", "executorch", "executorch"),
    "onnxruntime": ("onnxruntime", "onnxruntime", "onnx"),
    "litert": ("ai_edge_litert", "ai-edge-litert", "litert"),
    "coreml": ("coremltools", "coremltools", "coreml"),
    "coreai": ("coreai", "coreai-core", "coreai"),
    "torch": ("torch", "torch", ""),
}
EXECUTORCH_BACKENDS = ("xnnpack", "portable", "cpu")
"""Those that the executorch wheel's libraries bring."""
COREML_INTERPRETER = "edgeship.targets.coreml.evaluate"
INTERPRETED = ("coreml", "coreai")
"""Apple's runtimes; elsewhere an interpreter takes their place: numbers, never speed."""


def sources() -> Path:
    """The agents' folder, apps/agents of a checkout or of the installed package."""
    folder = Path(edgeship.__file__).parent / "apps" / "agents"
    if not (folder / "python" / "agent.py").is_file():
        raise MissingError("the agents' sources are missing from this installation", "reinstall edgeship")
    return folder


def python_agent() -> Path:
    """The one-file Python agent."""
    return sources() / "python" / "agent.py"


def is_interpreted(artifact: Artifact) -> bool:
    """Whether only a stand-in for the artifact's runtime exists on this host."""
    return artifact.runtime.name in INTERPRETED and sys.platform != "darwin"


def command(artifact: Artifact) -> list[str]:
    """What to start, followed by the job's and the result's path.

    Raises MissingError with the install command when the runtime is not installed. ExecuTorch's native runner is
    built at first use; without a compiler the Python agent stands in (its result says kind python, imports_torch).
    """
    module, distribution, extra = RUNTIMES[artifact.runtime.name]
    if importlib.util.find_spec(module) is None:
        raise missing_extra(extra, distribution)
    # -I: neither the user's folder nor PYTHONPATH may shadow a runtime's modules
    python = [sys.executable, "-I"]
    if artifact.runtime.name == "coreml" and is_interpreted(artifact):
        return [*python, "-m", COREML_INTERPRETER]
    if artifact.runtime.name == "executorch":
        try:
            return [str(native_runner.build(sources() / "native"))]
        except MissingError:
            pass
    return [*python, str(python_agent())]


@functools.cache
def facts() -> dict[str, Any]:
    """What this machine is, as its agent tells; the agent's file is run for it, without a process of its own."""
    told: dict[str, Any] = runpy.run_path(str(python_agent()))["facts"]()
    return told


def digest_of_sources(artifact: Artifact) -> str:
    """SHA-256 over the files that execute the artifact: other code makes other observations."""
    return _digest(files_behind(artifact))


def files_behind(artifact: Artifact) -> tuple[Path, ...]:
    """The files of the agents and of the interpreter that takes the place of the artifact's runtime here."""
    files = sorted(sources().glob("*/*.*"))
    if artifact.runtime.name == "coreml" and is_interpreted(artifact):
        spec = importlib.util.find_spec(COREML_INTERPRETER)
        files += sorted(Path(spec.origin).parent.rglob("*.py")) if spec and spec.origin else []
    return tuple(files)


@functools.cache
def _digest(files: tuple[Path, ...]) -> str:
    sha = hashlib.sha256()
    for file in files:
        sha.update(file.name.encode() + b"\0" + file.read_bytes())
    return sha.hexdigest()


def runtime_version(artifact: Artifact) -> str:
    """The installed version of the artifact's runtime, empty when it is not installed."""
    _, distribution, _ = RUNTIMES[artifact.runtime.name]
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""

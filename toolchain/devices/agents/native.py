"""The native ExecuTorch agent: C++ around the libraries of the executorch wheel, built at first use."""

from __future__ import annotations

from pathlib import Path

from edgeship.toolchain.api import LASTING, TIMED, Agent, MissingError
from edgeship.toolchain.devices.agents import build, kits
from edgeship.toolchain.devices.agents.python import agents_folder, facts


def sources() -> tuple[Path, ...]:
    """The C++ files, and the modules that say how they are built."""
    return (*build.cpp(agents_folder() / "native"), *build.made_by())


def files_for(arch: str) -> dict[str, Path]:
    """The runner; beside it lies `lib`, with links to the wheel's libraries.

    MissingError for another architecture than this machine's, or without what builds it.
    """
    here = facts()["cpu"]["arch"]
    if arch != here:
        raise MissingError(f"the native runner cannot be built for {arch} on {here}", "use a device of this kind")
    return {build.RUNNER: build.build(kits.EXECUTORCH, agents_folder() / "native")}


NATIVE = Agent(
    name="native",
    runtimes={"executorch": "executorch"},
    modes=TIMED | LASTING | {"profile"},
    files_for=files_for,
    command=lambda place, python: [place(build.RUNNER)],
    sources=sources,
    travels=False,
)

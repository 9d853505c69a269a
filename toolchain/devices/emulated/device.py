"""An ARM core as a device: files are verified with the kernels that it would get, and their instructions counted."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from edgeship.toolchain.api import (
    Agent,
    Artifact,
    CrashError,
    Device,
    Instructions,
    Job,
    JobFiles,
    Mode,
    RecipeError,
    Result,
    RuntimeInfo,
    Transport,
    profile_named,
    runtime_info,
)
from edgeship.toolchain.devices.agents.python import facts
from edgeship.toolchain.devices.emulated import qemu
from edgeship.toolchain.devices.emulated.cores import CORES
from edgeship.toolchain.devices.local import LocalLink

FILE = "instructions.txt"


class Emulated(Device):
    """Stands in for an ARM core, by qemu: the numerics of its kernels and exact instruction counts, nothing else."""

    counts = True

    cpu: str = Field(
        description="a core, whose own kernels the runtime then takes, or a device of `edgeship profiles`: its fastest"
    )

    @field_validator("cpu")
    @classmethod
    def _known(cls, cpu: str) -> str:
        core_of(cpu)
        return cpu

    @contextlib.contextmanager
    def open(self) -> Iterator[EmulatedLink]:
        """MissingError without qemu; any number of runs may share this host."""
        yield EmulatedLink(core_of(self.cpu))


def core_of(name: str) -> str:
    """A core by its own name or by a device's; ValueError where qemu has nothing near it."""
    if name in CORES:
        return name
    there = f"there are {', '.join(CORES)}, and devices with one of them"
    try:
        clusters = profile_named(name).clusters
    except RecipeError as error:
        raise ValueError(f"no core and no device profile is called {name}; {there}") from error
    fastest = max(clusters, key=lambda cluster: cluster.max_mhz or 0).core
    if fastest not in CORES:
        raise ValueError(f"{name} has a {fastest}, which cannot be emulated; {there}")
    return fastest


class EmulatedLink(LocalLink):
    """This host under qemu; one thread, verify and count."""

    transport: Transport | None = "emulated"

    def __init__(self, cpu: str) -> None:
        super().__init__()
        self.cpu = cpu
        self._core = CORES[cpu]
        self._qemu = qemu.installed()

    def facts(self) -> dict[str, Any]:
        """The core as it was chosen; the kernel is this host's."""
        return {
            "model": self.cpu,
            "os": facts()["os"],
            "cpu": {"arch": "arm64", "cores": 1, "features": sorted(self._core.features.split())},
            "emulator": True,
            "emulated_by": f"qemu {self._qemu.version}",
            "emulated_as": self._core.emulated_as,
        }

    def conditions(self, artifact: Artifact) -> dict[str, Any]:
        """And the counter."""
        return {**super().conditions(artifact), "counter": self._counter.parent.name}

    def can_execute(self, artifact: Artifact, mode: Mode = "verify") -> str | None:
        """Verify and count, where an agent for arm64 is known."""
        if mode not in ("verify", "count"):
            return f"{self.cpu} is emulated: instructions are counted, there is no {mode}"
        runtime = runtime_info(artifact.runtime.name)
        if runtime is not None and not self.agents(runtime):
            return f"no agent for an emulated core drives {runtime.title} yet"
        return super().can_execute(artifact, mode)

    def is_slow(self, artifact: Artifact) -> bool:
        """Always: a tenth of a native core's speed at best."""
        return True

    def is_shared(self) -> bool:
        """Counts are the same whatever else runs."""
        return False

    def agents(self, runtime: RuntimeInfo) -> tuple[Agent, ...]:
        """Those that bring all they need."""
        return tuple(agent for agent in super().agents(runtime) if "count" in agent.modes)

    def agent_for(self, runtime: RuntimeInfo, mode: Mode) -> tuple[Agent, Mapping[str, Path]]:
        """For this core's architecture: what is installed for this host says nothing."""
        return super(LocalLink, self).agent_for(runtime, mode)

    def execute(self, job: Job, files: JobFiles) -> Result:
        """With the counted calls, and without the times and memory of a launch that was emulated."""
        result = super().execute(job, files)
        for index, run in enumerate(result.runs):
            kept = {name: getattr(run, name) for name in ("index", "started_at", "check", "outputs", "error")}
            result.runs[index] = type(run)(**kept, instructions=_counted(files.folder / FILE))
        return result

    def run(self, command: Sequence[str], log: Path, seconds: float, environment: Mapping[str, str]) -> int:
        """Under qemu; CrashError for an instruction that the core does not have.

        The program sees neither the folder's name nor our variables: the lengths of both move its stack and heap, and
        with them what copying costs.
        """
        hidden = [word for name in (qemu.COUNTS, qemu.CPU) for word in ("-U", name)]
        seen = [word.removeprefix(f"{self.root}/") for word in command]
        there = ["-L", str(qemu.machine(self._core)), "-plugin", str(self._counter)]
        ours = [self._qemu.path, *hidden, *there, *seen]
        code = super().run(ours, log, seconds, environment)
        if code == -signal.SIGILL:
            hint = "what it executes was built for a newer core"
            raise CrashError(f"illegal instruction on {self.cpu}", hint)
        return code

    def _environment(self, ours: Mapping[str, str]) -> dict[str, str]:
        """Nothing of the user's: neither a QEMU_CPU nor what a library would look for."""
        return {qemu.CPU: self._core.emulated_as, qemu.COUNTS: f"{self.root}/{FILE}", **ours}

    @cached_property
    def _counter(self) -> Path:
        return self._qemu.counter()


def _counted(file: Path) -> list[Instructions]:
    """What the counter wrote of each counted call."""
    if not file.is_file():
        return []
    names = list(Instructions.model_fields)
    rows = [dict(zip(names, map(int, line.split()), strict=True)) for line in file.read_text().splitlines()]
    return [Instructions.model_validate(row) for row in rows]

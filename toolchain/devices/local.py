"""This host as a device: every job in a fresh process that ends by its deadline."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from edgeship.toolchain.api import (
    Agent,
    Artifact,
    CrashError,
    Device,
    DeviceError,
    DeviceFacts,
    Job,
    MissingError,
    Mode,
    Result,
    RuntimeInfo,
    missing_extra,
    runtime_info,
)
from edgeship.toolchain.devices.agents.python import facts

LOG = "agent.log"
HALF_ARITHMETIC = {"avx512_fp16", "asimdhp"}
"""CPU features (names of /proc/cpuinfo) that compute in half precision."""


class Local(Device):
    """Executes artifacts on the machine edgeship runs on."""

    pin_cpus: tuple[int, ...] = Field((), description="CPU numbers that agents may use; empty: all (Linux)")

    def facts(self) -> dict[str, Any]:
        """The `device` part of bench-result/1."""
        return facts()

    def conditions(self, artifact: Artifact) -> dict[str, Any]:
        """The machine, the agents' sources, the runtime's version and the CPUs."""
        runtime = _known(artifact)
        return {
            "device": self.facts(),
            "agents": [agent.version for agent in runtime.agents_on(_system())],
            "runtime": _version(runtime),
            "pin_cpus": self.pin_cpus,
        }

    def can_execute(self, artifact: Artifact, mode: Mode = "verify") -> str | None:
        """Why this host cannot execute the artifact in this mode, or None."""
        runtime, backend = runtime_info(artifact.runtime.name), artifact.runtime.backend
        if runtime is None:
            return f"no agent on this host knows the runtime {artifact.runtime.name}"
        if runtime.backends and backend not in runtime.backends:
            return f"the {runtime.title} backend {backend} is not on this host"
        if mode != "verify" and runtime.is_interpreted(_system()):
            return (
                f"{runtime.title} has no native runtime on this host: an interpreter shows its numbers, not its {mode}"
            )
        return None

    def is_slow(self, artifact: Artifact) -> bool:
        """An interpreter, and half precision emulated, take seconds for what a phone does in milliseconds."""
        runtime = _known(artifact)
        if runtime.emulates_half and artifact.dtypes.get("float16"):
            return not HALF_ARITHMETIC & set(self.facts()["cpu"].get("features", []))
        return runtime.slow_interpreter and runtime.is_interpreted(_system())

    def execute(self, artifact: Artifact, folder: Path, job: Job, work: Path) -> Result:
        """Run one job in a fresh process; what it printed is in `work`/agent.log.

        The result may carry an error in runs[0]. Raises DeviceError when there is none: refused, died, past its
        deadline, or not a result; MissingError when the runtime is not installed.
        """
        if reason := self.can_execute(artifact, job.config.mode):
            raise DeviceError(reason, "choose another device or mode")
        job_file, answer = work / "job.json", work / "result.json"
        answer.unlink(missing_ok=True)
        job.save(job_file)
        command = [*command_for(_known(artifact)), str(job_file), str(answer)]
        code = self._run(command, job, work / LOG)
        if not answer.exists():
            raise death(code, artifact, work / LOG)
        try:
            result = Result.load(answer)
        except ValidationError as error:
            first = error.errors()[0]
            raise DeviceError(
                f"the agent for {artifact.runtime.name} answered no valid bench-result/1: "
                f"{'.'.join(map(str, first['loc']))}: {first['msg']}",
                f"see {work / LOG}",
            ) from error
        result.transport = "local"
        result.device = DeviceFacts.model_validate(self.facts())
        return result

    def _run(self, command: list[str], job: Job, log: Path) -> int:
        """The agent's exit code; the whole process group is killed at the deadline or when we are interrupted."""
        threads = str(job.runtime.threads)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        environment |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads)
        with log.open("wb") as stream, self._pinned():
            process = subprocess.Popen(
                command,
                cwd=log.parent,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            return process.wait(timeout=job.deadline_ns / 1e9)
        except subprocess.TimeoutExpired as error:
            raise DeviceError(
                f"the agent for {job.runtime.name} did not finish within {job.deadline_ns / 1e9:g} s",
                f"give the job a later deadline; see {log}",
            ) from error
        finally:
            if process.returncode is None:  # past its deadline, or we were interrupted
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    @contextlib.contextmanager
    def _pinned(self) -> Iterator[None]:
        """Let a process started inside inherit `pin_cpus`; DeviceError when the host has no such CPU."""
        if not self.pin_cpus:
            yield
            return
        before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
        if not set(self.pin_cpus) <= before:
            raise DeviceError(
                f"cannot pin to CPU {', '.join(map(str, self.pin_cpus))}: this process may use "
                f"{', '.join(map(str, sorted(before))) or 'no CPU by number on this system'}",
                "change pin_cpus",
            )
        os.sched_setaffinity(0, self.pin_cpus)
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)


def command_for(runtime: RuntimeInfo) -> list[str]:
    """What to start here, followed by the job's and the result's path: the preferred agent whose files can be had.

    Raises MissingError with the install command when the runtime is not installed.
    """
    if importlib.util.find_spec(runtime.package) is None:
        raise missing_extra(runtime.extra, runtime.distribution)
    agents = runtime.agents_on(_system())
    for agent in agents[:-1]:
        with contextlib.suppress(MissingError):
            return _command(agent)
    return _command(agents[-1])


def _command(agent: Agent) -> list[str]:
    files = agent.files_for(facts()["cpu"]["arch"])
    return agent.command(lambda name: str(files[name]), sys.executable)


def _system() -> str:
    system: str = facts()["os"]["name"]
    return system


def _known(artifact: Artifact) -> RuntimeInfo:
    runtime = runtime_info(artifact.runtime.name)
    if runtime is None:
        raise DeviceError(f"no agent on this host knows the runtime {artifact.runtime.name}", "choose another device")
    return runtime


def _version(runtime: RuntimeInfo) -> str:
    """The installed version of a runtime, empty when it is not installed."""
    try:
        return version(runtime.distribution)
    except PackageNotFoundError:
        return ""


CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)
"""Signals that a process brings on itself."""


def death(code: int, artifact: Artifact, log: Path) -> DeviceError:
    """What to say of an agent that ended without a result: the signal and its last words."""
    how = f"died by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code} and no result"
    tail = log.read_text(errors="replace").strip().splitlines()[-5:] if log.exists() else []
    said = f"; it said last: {' | '.join(tail)}" if tail else ""
    hint = "probably out of memory" if code == -signal.SIGKILL else f"see {log}"
    kind = CrashError if -code in CRASHES else DeviceError
    return kind(f"the agent for {artifact.runtime.name} {how}{said}", hint)

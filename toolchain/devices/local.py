"""This host as a device: every job in a fresh process that ends by its deadline."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from edgeship.toolchain.api import Artifact, CrashError, Device, DeviceError, DeviceFacts, Job, Mode, Result
from edgeship.toolchain.devices.agents import registry as agents

LOG = "agent.log"
HALF_ARITHMETIC = {"avx512_fp16", "asimdhp"}
"""CPU features (names of /proc/cpuinfo) that compute in half precision."""


class Local(Device):
    """Executes artifacts on the machine edgeship runs on."""

    pin_cpus: tuple[int, ...] = Field((), description="CPU numbers that agents may use; empty: all (Linux)")

    def facts(self) -> dict[str, Any]:
        """The `device` part of bench-result/1."""
        return agents.facts()

    def conditions(self, artifact: Artifact) -> dict[str, Any]:
        """The machine, the agents' sources, the runtime's version and the CPUs."""
        return {
            "device": self.facts(),
            "agents": agents.digest_of_sources(artifact),
            "runtime": agents.runtime_version(artifact),
            "pin_cpus": self.pin_cpus,
        }

    def can_execute(self, artifact: Artifact, mode: Mode = "verify") -> str | None:
        """Why this host cannot execute the artifact in this mode, or None."""
        runtime = artifact.runtime
        if runtime.name not in agents.RUNTIMES:
            return f"no agent on this host knows the runtime {runtime.name}"
        if runtime.name == "executorch" and runtime.backend not in agents.EXECUTORCH_BACKENDS:
            return f"the ExecuTorch backend {runtime.backend} is not on this host"
        if mode != "verify" and agents.is_interpreted(artifact):
            apple = {"coreml": "Core ML", "coreai": "Core AI"}[runtime.name]
            return f"{apple} has no native runtime on this host: an interpreter shows its numbers, not its {mode}"
        return None

    def is_slow(self, artifact: Artifact) -> bool:
        """Core AI's interpreter, and half precision emulated, take seconds for what a phone does in milliseconds."""
        if artifact.runtime.name == "executorch" and artifact.dtypes.get("float16"):
            return not HALF_ARITHMETIC & set(self.facts()["cpu"].get("features", []))
        return artifact.runtime.name == "coreai" and agents.is_interpreted(artifact)

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
        command = [*agents.command(artifact), str(job_file), str(answer)]
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

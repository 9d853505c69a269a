"""Launch and collect: a device that runs commands, takes files and gives them back."""

from __future__ import annotations

import contextlib
import re
import signal
import tempfile
import threading
import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from edgeship.toolchain import sensors
from edgeship.toolchain.artifact import Artifact, digest
from edgeship.toolchain.errors import CrashError, DeviceError, MissingError
from edgeship.toolchain.link import Link
from edgeship.toolchain.protocol.files import JobFiles
from edgeship.toolchain.protocol.jobs import parcel
from edgeship.toolchain.protocol.machine import DeviceFacts, Environment
from edgeship.toolchain.protocol.messages import Config, Job, Mode, Result, Transport
from edgeship.toolchain.registry import runtime_info
from edgeship.toolchain.runtime import Agent, RuntimeInfo, agent_named
from edgeship.toolchain.sensors import wait_until_cool

LOG = "agent.log"
CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)
"""Signals that a process brings on itself."""
HALF_ARITHMETIC = {"avx512_fp16", "asimdhp"}
"""CPU features (names of /proc/cpuinfo) that compute in half precision."""
FACTS_AGENT = "edgeship.toolchain.devices.agents.python:PYTHON"
"""The one that tells what a machine is (`--facts`)."""
NOTHING: Mapping[str, str] = {}
HEATED: frozenset[Mode] = frozenset({"latency", "throughput", "sustained", "cold"})
"""Modes whose figures depend on how hot the machine is."""
QUESTION_S = 60.0
"""How long a question about the machine may take."""


class Shell(Link):
    """A link that needs `run`, `put` and `get`; paths are relative to `root`, a folder on the device."""

    transport: Transport | None = None
    python: str = "python3"
    """The Python there, for agents that need one."""

    def __init__(self, root: str, pin_cpus: Sequence[int] = (), cool_c: float | None = None) -> None:
        self.root = root
        self.pin_cpus, self.cool_c = list(pin_cpus), cool_c
        self._delivering = threading.Lock()
        self._without_sensors = threading.Event()

    @abstractmethod
    def run(self, command: Sequence[str], log: Path, seconds: float, environment: Mapping[str, str]) -> int:
        """Run a command to its end, what it prints into `log` here; its exit code, or -signal.

        TimeoutError when it is not done within `seconds`, and then it is ended with its children; DeviceError when the
        device cannot be reached.
        """

    @abstractmethod
    def put(self, source: Path, path: str) -> None:
        """Bring a file (with its mode) or a folder there, making the folders above: what is there is whole."""

    @abstractmethod
    def get(self, path: str, target: Path) -> bool:
        """Bring a file here; False when there is none."""

    def has(self, path: str) -> bool:
        """Whether a file or folder is there."""
        return self._ask("test", "-e", self.at(path)) is not None

    def remove(self, paths: Sequence[str]) -> None:
        """Remove files that may be there."""
        self._ask("rm", "-f", *(self.at(path) for path in paths))

    def at(self, path: str) -> str:
        """The path on the device."""
        return f"{self.root}/{path}"

    def facts(self) -> dict[str, Any]:
        """As the Python agent tells; asked once."""
        return self._facts

    @cached_property
    def _facts(self) -> dict[str, Any]:
        agent = agent_named(FACTS_AGENT)
        with tempfile.TemporaryDirectory(prefix="edgeship-") as work:
            log, answer = Path(work) / LOG, Path(work) / "facts.json"
            command = [*self._command(agent, agent.files_for("")), "--facts", self.at(answer.name)]
            code = self._ended("the agent", command, log, QUESTION_S)
            if code or not self.get(answer.name, answer):
                raise DeviceError(f"the device does not tell what it is (code {code}){_last_words(log)}", "see its log")
            self.remove([answer.name])
            return DeviceFacts.model_validate_json(answer.read_bytes()).model_dump(exclude_none=True)

    def conditions(self, artifact: Artifact) -> dict[str, Any]:
        """The machine, the CPUs that are used of it, and the sources of the agents that may be taken."""
        return {
            "device": self.facts(),
            "pin_cpus": self.pin_cpus,
            "agents": [agent.version for agent in self.agents(known(artifact.runtime.name))],
        }

    def can_execute(self, artifact: Artifact, mode: Mode = "verify") -> str | None:
        """Asks what the target declares of the runtime."""
        runtime = runtime_info(artifact.runtime.name)
        if runtime is None:
            return f"no agent here knows the runtime {artifact.runtime.name}"
        backends = self.backends(runtime)
        for backend in artifact.runtime.backends if backends else ():
            if backend.name not in backends:
                return f"the {runtime.title} backend {backend.name} is not here"
        if mode != "verify" and runtime.is_interpreted(self._system):
            return f"{runtime.title} has no native runtime here: an interpreter shows its numbers, not its {mode}"
        if not any(mode in agent.modes for agent in self.agents(runtime)):
            return f"no agent here does {mode} with {runtime.title}"
        return None

    def is_slow(self, artifact: Artifact) -> bool:
        """An interpreter, and half precision emulated."""
        runtime = known(artifact.runtime.name)
        if runtime.emulates_half and (artifact.dtypes or {}).get("float16"):
            return not HALF_ARITHMETIC & set(self.facts()["cpu"].get("features", []))
        return runtime.slow_interpreter and runtime.is_interpreted(self._system)

    def is_shared(self) -> bool:
        """A virtual machine, or a load above a quarter of the cores."""
        cpu = self.facts()["cpu"]
        if "hypervisor" in cpu.get("features", []):
            return True
        load = self._ask("cat", "/proc/loadavg")
        return load is not None and float(load.split()[0]) > cpu.get("cores", 1) / 4

    def agents(self, runtime: RuntimeInfo) -> tuple[Agent, ...]:
        """Those that drive a runtime on this device, the preferred first."""
        return runtime.agents_on(self._system)

    def backends(self, runtime: RuntimeInfo) -> frozenset[str]:
        """A runtime's that are here; empty: it is asked itself."""
        return runtime.backends

    def agent_for(self, runtime: RuntimeInfo, mode: Mode) -> tuple[Agent, Mapping[str, Path]]:
        """The preferred agent whose files can be had for this device, and these; MissingError where there is none."""
        problem = MissingError(f"no agent here does {mode} with {runtime.title}", "choose another device or mode")
        for agent in self.agents(runtime):
            if mode in agent.modes:
                try:
                    return agent, agent.files_for(self.facts()["cpu"]["arch"])
                except MissingError as error:
                    problem = error
        raise problem

    def execute(self, job: Job, files: JobFiles) -> Result:
        """Bring there what is not there yet, run the agent, and bring back its result and the captured outputs."""
        runtime = known(job.runtime.name)
        agent, parts = self.agent_for(runtime, job.config.mode)
        options = runtime.options_on(job.runtime.options, self.facts()["cpu"].get("features", []))
        chosen = job.runtime.model_copy(update={"name": agent.runtimes[job.runtime.name], "options": options})
        asked, answered = f"job-{job.id}.json", f"result-{job.id}.json"
        log, result_file = files.folder / LOG, files.folder / "result.json"
        for file in job.files:
            self._deliver(files.sources[file.path], file.path)
        sent = job.model_copy(update={"runtime": chosen})
        if self.pin_cpus:
            sent.config = job.config.model_copy(update={"pin_cpus": self.pin_cpus})
            sent.requires = [*job.requires, "config.pin_cpus"]
        sent.save(files.folder / "job.json")
        self.put(files.folder / "job.json", asked)
        timed = job.config.mode in HEATED
        waited, before = self._cooled() if timed else (0, None)
        began, seen = time.monotonic_ns(), list[Environment]()
        try:
            command = [*self._command(agent, parts), self.at(asked), self.at(answered)]
            name = f"the agent for {runtime.title}"
            environment = {**_threads(job.runtime.threads), **runtime.environment}
            with self._watched(job.config, seen, began):
                code = self._ended(name, command, log, job.deadline_ns / 1e9, environment)
            if not self.get(answered, result_file):
                raise _death(code, runtime, log)
            if job.capture:
                self.get(job.capture, files.folder / job.capture)
        finally:
            self.remove([asked, answered, *([job.capture] if job.capture else [])])
        result = self._read(result_file, runtime)
        if before:
            after = self._state(time.monotonic_ns() - began)
            result.runs[0].env = [before, *seen, *([after] if after else [])]
            result.runs[0].waited = waited or None
        return result

    def _cooled(self) -> tuple[int, Environment | None]:
        """Wait until it is cool enough: nanoseconds, and its state then. DeviceError where it stays too hot."""
        waited = 0
        if self.cool_c is not None:
            waited, cool = wait_until_cool(self._state, self.cool_c)
            if not cool:
                raise DeviceError(
                    f"it is still hotter than {self.cool_c:g} °C after {waited / 1e9:.0f} s", "cool it, or raise cool_c"
                )
        return waited, self._state()

    @contextlib.contextmanager
    def _watched(self, config: Config, seen: list[Environment], began_ns: int) -> Iterator[None]:
        """Add the machine's state to `seen` once per window of a sustained launch, while it runs."""
        if config.mode != "sustained" or not config.interval_ns:
            yield
            return
        every_s, over = config.interval_ns / 1e9, threading.Event()

        def look() -> None:
            while not over.wait(every_s):
                with contextlib.suppress(DeviceError):  # the launch itself says what became of the way there
                    if state := self._state(time.monotonic_ns() - began_ns):
                        seen.append(state)

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _state(self, t_ns: int = 0) -> Environment | None:
        """Temperature and clocks now; None on a machine that tells neither, which is asked once."""
        if self._without_sensors.is_set():
            return None
        told = self._ask("sh", "-c", sensors.PROBE)
        state = sensors.read(told, t_ns) if told else None
        if state is None:
            self._without_sensors.set()
        return state

    def _read(self, file: Path, runtime: RuntimeInfo) -> Result:
        try:
            result = Result.load(file)
        except ValidationError as error:
            first = error.errors()[0]
            raise DeviceError(
                f"the agent for {runtime.title} answered no valid bench-result/1: "
                f"{'.'.join(map(str, first['loc']))}: {first['msg']}",
                "run it again; what it wrote was cut short, or its disk is full",
            ) from error
        result.transport = self.transport
        result.device = DeviceFacts.model_validate(self.facts())
        for run in result.runs:
            if run.error:  # the same words wherever it ran
                run.error.message = re.sub(rf"{re.escape(self.root)}/(files/\w+/)?", "", run.error.message)
        return result

    def _command(self, agent: Agent, parts: Mapping[str, Path]) -> list[str]:
        """What starts an agent, its files brought there."""
        folder = parcel({name: digest(path) for name, path in parts.items()})
        for name, path in parts.items():
            self._deliver(path, f"{folder}/{name}")
        return agent.command(lambda name: self.at(f"{folder}/{name}"), self.python)

    def _deliver(self, source: Path, path: str) -> None:
        """Put what is not there yet: a path holds the digest of what it names."""
        with self._delivering:
            if not self.has(path):
                self.put(source, path)

    def _ended(
        self, what: str, command: Sequence[str], log: Path, seconds: float, environment: Mapping[str, str] = NOTHING
    ) -> int:
        try:
            return self.run(command, log, seconds, environment)
        except TimeoutError as error:
            reason = f"{what} did not finish within {seconds:g} s{_last_words(log)}"
            raise DeviceError(reason, "give the job a later deadline") from error

    def _ask(self, *command: str) -> str | None:
        """What a command prints; None when it fails."""
        with tempfile.TemporaryDirectory(prefix="edgeship-") as work:
            log = Path(work) / LOG
            return None if self._ended(command[0], command, log, QUESTION_S) else log.read_text(errors="replace")

    @property
    def _system(self) -> str:
        system: str = self.facts()["os"]["name"]
        return system


def known(name: str) -> RuntimeInfo:
    """What is known of a runtime; DeviceError when it is nothing."""
    runtime = runtime_info(name)
    if runtime is None:
        raise DeviceError(f"no agent here knows the runtime {name}", "choose another device")
    return runtime


def _threads(count: int) -> dict[str, str]:
    return dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(count))


def _death(code: int, runtime: RuntimeInfo, log: Path) -> DeviceError:
    """What to say of an agent that ended without a result: the signal and its last words."""
    how = f"died by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code} and no result"
    said = f"the agent for {runtime.title} {how}{_last_words(log)}"
    if -code in CRASHES:
        return CrashError(said, "`edgeship rehearse` tries the file under another version of its runtime")
    return DeviceError(said, "probably out of memory" if code == -signal.SIGKILL else "")


def _last_words(log: Path) -> str:
    tail = log.read_text(errors="replace").strip().splitlines()[-5:] if log.exists() else []
    return f"; it said last: {' | '.join(tail)}" if tail else ""

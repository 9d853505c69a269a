"""A phone as a link: native agents run in its shell, or edgeship's app executes the jobs."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgeship.toolchain.api import (
    Agent,
    Artifact,
    CrashError,
    DeviceError,
    Job,
    JobFiles,
    Mode,
    Result,
    RuntimeInfo,
    Transport,
    runtime_info,
)
from edgeship.toolchain.devices.adb import state
from edgeship.toolchain.devices.adb.app import ACCELERATORS, INSTRUMENT, App
from edgeship.toolchain.devices.adb.connection import Connection
from edgeship.toolchain.devices.remote.lease import CLEAR
from edgeship.toolchain.devices.remote.link import RemoteLink
from edgeship.toolchain.devices.remote.machine import Machine
from edgeship.toolchain.devices.remote.shell import last
from edgeship.toolchain.devices.timed import Timed
from edgeship.toolchain.protocol.machine import Environment

NO_JOB = "2"
"""The app's code where it has no job, and so no result."""
MEMORY: frozenset[Mode] = frozenset({"memory", "rounds"})
"""Modes that answer what the app's process holds."""


class AdbLink(RemoteLink):
    """A phone; its agents are the ones that bring all they need, with kernels built for Linux's C library."""

    transport: Transport | None = "adb"

    def _state(self, t_ns: int = 0) -> Environment | None:
        return state.read(self._connection.ask(state.PROBE), t_ns)


class AppLink(AdbLink):
    """A phone whose files are executed by the app, one job at a time; they lie in its folder of Android/media."""

    def __init__(self, connection: Connection, machine: Machine, device: Timed, app: App) -> None:
        storage = connection.ask('echo "${EXTERNAL_STORAGE:-/sdcard}"').strip()
        media = f"{storage}/Android/media/{app.id}/edgeship"
        connection.ask(f'mkdir -p "$1"\n{CLEAR}', media)
        super().__init__(connection, dataclasses.replace(machine, folder=media), device)
        self._app, self._agent = app, app.agent()
        self._alone = threading.Lock()

    def can_execute(self, artifact: Artifact, mode: Mode = "verify") -> str | None:
        """And what the app's flavour and an app in general cannot do."""
        runtime = runtime_info(artifact.runtime.name)
        if runtime and not self.agents(runtime):
            own = runtime_info(self._app.runtime)
            return f"the app {self._app.id} has {own.title if own else self._app.runtime}, not {runtime.title}"
        if self.pin_cpus:
            return "an app cannot be kept to CPUs (pin_cpus)"
        if self._app.backend in ACCELERATORS and mode in MEMORY:
            return f"what {self._app.backend} holds is in no counter of the app's process: no {mode}"
        return super().can_execute(artifact, mode)

    def conditions(self, artifact: Artifact) -> dict[str, Any]:
        """And the backend that is asked for."""
        told, app = super().conditions(artifact), self._app
        return told if app.backend is None else {**told, "backend": app.backend, "float16": app.float16}

    def agents(self, runtime: RuntimeInfo) -> tuple[Agent, ...]:
        """The app."""
        return (self._agent,) if runtime.name in self._agent.runtimes else ()

    def backends(self, runtime: RuntimeInfo) -> frozenset[str]:
        """The app's build has its own, and says so itself."""
        return frozenset()

    def execute(self, job: Job, files: JobFiles) -> Result:
        """Each launch ends the app that runs: one after another; by the backend that was asked for."""
        with self._alone:
            return super().execute(job.model_copy(update={"runtime": self._app.asked(job.runtime)}), files)

    def run(self, command: Sequence[str], log: Path, seconds: float, environment: Mapping[str, str]) -> int:
        """No variable reaches an app, and no signal: it is stopped where its launch is given up.

        Of the app CrashError where its process ended, DeviceError where it was not started: its code tells neither.
        """
        if INSTRUMENT not in command:
            return super().run(command, log, seconds, environment)
        try:
            code = super().run(command, log, seconds, {})
        except BaseException:
            with contextlib.suppress(DeviceError):
                self._connection.there('am force-stop "$1"', [self._app.id])
            raise
        self._ended_well(log.read_text(errors="replace"))
        return code

    def _ended_well(self, said: str) -> None:
        """Raise what `am instrument -r` said of an app that gave no answer."""
        results = dict(re.findall(r"^INSTRUMENTATION_RESULT: (\w+)=(.*)$", said, re.MULTILINE))
        phases = re.findall(r"^INSTRUMENTATION_STATUS: phase=(\w+)$", said, re.MULTILINE)
        code = re.search(r"^INSTRUMENTATION_CODE: (-?\d+)\s*$", said, re.MULTILINE)
        if short := results.get("shortMsg"):
            where = f" in its phase {phases[-1]}" if phases else ""
            hint = "`adb logcat -b crash` tells where; nothing there: Android ended it, probably for memory"
            raise CrashError(f"the app {self._app.id} ended{where}: {results.get('longMsg', short)}", hint)
        if code is None:
            why = re.search(r"^INSTRUMENTATION_STATUS: Error=(.*)$", said, re.MULTILINE) or re.search(
                r"INSTRUMENTATION_(?:FAILED|ABORTED): (.*)$", said, re.MULTILINE
            )
            reason = why[1] if why else f"`am instrument` did not come to its end: {last(said.encode())}"
            raise DeviceError(f"the app {self._app.id} was not executed: {reason}", "see `adb logcat`")
        if code[1] == NO_JOB:
            raise DeviceError(f"the app {self._app.id} has no result: {results.get('stream', '')}", "see `adb logcat`")

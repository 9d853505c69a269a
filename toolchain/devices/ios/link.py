"""A phone as a link: known by what devicectl tells, or executing jobs in edgeship's app, one at a time.

A job travels as one zip file into the app's Documents, and its result comes back from there: apps/ios/README.md.
"""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import Any
from zipfile import LargeZipFile

from pydantic import ValidationError

from edgeship.toolchain.api import (
    TIMED,
    Artifact,
    CrashError,
    DeviceError,
    DeviceFacts,
    Job,
    JobFiles,
    Link,
    Mode,
    Result,
    runtime_info,
)
from edgeship.toolchain.archive import write_zip
from edgeship.toolchain.devices.ios.devicectl import PhoneApp
from edgeship.toolchain.devices.ios.listing import Phone

NO_APP = "an iPhone executes files in an app alone: add app = 'dev.edgeship.EdgeshipCoreML' (apps/ios)"
FLAVOURS = {
    "EdgeshipOnnx": ("onnxruntime", ("cpu", "coreml")),
    "EdgeshipExecuTorch": ("executorch", ()),
    "EdgeshipCoreML": ("coreml", ("all", "cpu", "cpu+gpu", "cpu+ane")),
    "EdgeshipCoreAI": ("coreai", ("all",)),
}
"""The last word of an app's identifier (apps/ios/project.yml) → its runtime, and the backends that it can be asked for;
the files of one without any say themselves what computes them."""
LOOK_S = 5.0
"""Between two looks for a result: each is work for the phone, while it measures."""
VARIABLE = "EDGESHIP_JOB"
"""Of the app's environment: the job's name in its Documents."""
INSTALL = "build and install it by Xcode: apps/ios/README.md"


def runtime_of(app: str, backend: str | None) -> tuple[str, tuple[str, ...]]:
    """The runtime of an app by its identifier, and the backends it has; ValueError where it has none such."""
    flavour = app.rpartition(".")[2]
    if flavour not in FLAVOURS:
        raise ValueError(f"app = '{app}' does not end in one of {', '.join(FLAVOURS)}")
    runtime, backends = FLAVOURS[flavour]
    if backend is not None and backend not in backends:
        known = f"it has {', '.join(backends)}" if backends else "its files say themselves what computes them"
        raise ValueError(f"the app {app} has no backend {backend}: {known}")
    return runtime, backends


class IosLink(Link):
    """What is known of a phone."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone

    def facts(self) -> dict[str, Any]:
        """As devicectl tells."""
        return self._phone.facts()

    def conditions(self, artifact: Artifact) -> dict[str, Any]:
        """The device."""
        return {"device": self.facts()}

    def can_execute(self, artifact: Artifact, mode: Mode = "verify") -> str | None:
        """Nothing without an app."""
        return NO_APP

    def execute(self, job: Job, files: JobFiles) -> Result:
        """DeviceError."""
        raise DeviceError(NO_APP, INSTALL)


class AppLink(IosLink):
    """A phone that has edgeship's app; DeviceError where it is not installed."""

    def __init__(self, phone: Phone, app: str, backend: str | None) -> None:
        super().__init__(phone)
        self._id, self._backend = app, backend
        self._runtime, self._backends = runtime_of(app, backend)
        self._app = PhoneApp(phone.identifier, app)
        self._alone = threading.Lock()
        found = self._app.installed()
        if found is None:
            raise DeviceError(f"{phone.name} has no app {app}", INSTALL)
        self._installed = found

    def conditions(self, artifact: Artifact) -> dict[str, Any]:
        """And the app as it was installed, and the backend that is asked for."""
        backend = self._asked(artifact.runtime.backend)
        return {"device": self.facts(), "app": self._installed.model_dump(), "backend": backend}

    def can_execute(self, artifact: Artifact, mode: Mode = "verify") -> str | None:
        """Files of the app's runtime."""
        runtime, own = runtime_info(artifact.runtime.name), runtime_info(self._runtime)
        title = runtime.title if runtime else artifact.runtime.name
        if artifact.runtime.name != self._runtime:
            return f"the app {self._id} has {own.title if own else self._runtime}, not {title}"
        if mode not in TIMED:
            return f"no agent here does {mode} with {title}"
        return None

    def execute(self, job: Job, files: JobFiles) -> Result:
        """Each launch ends the app that runs: one after another."""
        runtime = job.runtime.model_copy(update={"backend": self._asked(job.runtime.backend)})
        name, result_file = f"job-{job.id}", files.folder / "result.json"
        archive = packed(job.model_copy(update={"runtime": runtime}), files)
        with self._alone:
            self._app.put(archive, f"Documents/{name}.zip")
            archive.unlink()
            pid = self._app.launch({VARIABLE: name})
            try:
                self._wait(pid, f"Documents/{name}.json", result_file, job.deadline_ns / 1e9)
            except BaseException:
                with contextlib.suppress(DeviceError):
                    self._app.end(pid)
                raise
            if job.capture:
                self._app.get(f"Documents/{name}.bin", files.folder / job.capture)
        try:
            result = Result.load(result_file)
        except ValidationError as error:
            raise DeviceError(f"the app {self._id} answered no valid bench-result/1", INSTALL) from error
        result.transport = "devicectl"
        told = result.device.model_dump(exclude_none=True)  # cores and memory, too; its model is the product's code
        result.device = DeviceFacts.model_validate({**told, **self.facts(), "cpu": told["cpu"]})
        return result

    def _asked(self, backend: str) -> str:
        """The backend that the app computes on, for the file's own."""
        return self._backend or (backend if not self._backends or backend in self._backends else self._backends[0])

    def _wait(self, pid: int, answer: str, target: Path, seconds: float) -> None:
        """Until the answer, which has its name when it is whole, is here."""
        deadline = time.monotonic() + seconds
        while True:
            runs = self._app.runs(pid)  # asked first: what it wrote before it ended is there then
            if self._app.get(answer, target):
                return
            if not runs:
                hint = "Xcode's Devices window tells why: a crash, or iOS ended it, probably for memory"
                raise CrashError(f"the app {self._id} ended without a result", hint)
            if time.monotonic() >= deadline:
                reason = f"the app {self._id} did not finish within {seconds:g} s"
                raise DeviceError(reason, "give the job a later deadline")
            time.sleep(LOOK_S)


def packed(job: Job, files: JobFiles) -> Path:
    """A job and what it names in one zip file beside them; an artifact may be a folder. DeviceError above 2 GB."""
    asked, archive = files.folder / "job.json", files.folder / "job.zip"
    job.save(asked)
    entries: dict[str, Path | bytes] = {asked.name: asked}
    for path, source in files.sources.items():
        inside = [file for file in source.rglob("*") if file.is_file()] if source.is_dir() else []
        entries |= {f"{path}/{file.relative_to(source).as_posix()}": file for file in inside} or {path: source}
    try:
        write_zip(archive, entries)
    except LargeZipFile as error:
        raise DeviceError("a job of more than 2 GB is not sent to a phone", "choose a smaller file") from error
    return archive

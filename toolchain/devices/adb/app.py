"""edgeship's app on a phone: installed once, it executes jobs by `am instrument`, with its own build of a runtime."""

from __future__ import annotations

import re
import tempfile
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

from edgeship.toolchain.api import LASTING, TIMED, Agent, DeviceError, digest, runtime_info
from edgeship.toolchain.devices.adb.connection import Connection
from edgeship.toolchain.protocol.messages import JobRuntime

RUNNER = "JobInstrumentation"
FLAVOURS = {"onnx": "onnxruntime", "executorch": "executorch", "litert": "litert"}
"""The last word of an application id → the runtime of that app (apps/android/app)."""
BACKENDS = {"onnxruntime": ("nnapi", "xnnpack"), "executorch": (), "litert": ("gpu", "nnapi")}
"""The backends that a runtime can be asked for in the app, beside what the file itself says."""
ACCELERATORS = ("gpu", "nnapi")
"""Backends off the CPU: they may compute in half precision, and no counter of the app's process sees their memory."""
MANIFEST = "AndroidManifest.xml"
INSTALL_S = 300.0
REMEDIES = {
    "UPDATE_INCOMPATIBLE": "it is there with another signature: `adb uninstall` it first",
    "VERSION_DOWNGRADE": "a later version is there: `adb uninstall` it first",
    "INSUFFICIENT_STORAGE": "make room on the phone",
    "OLDER_SDK": "the app needs Android 8",
    "NO_MATCHING_ABIS": "build the app for this phone's CPU: abiFilters in app/build.gradle.kts",
    "TEST_ONLY": "build it by Gradle: Android Studio's Run makes one for itself alone",
    "USER_RESTRICTED": "allow apps to be installed by USB, in the phone's developer options",
    "NO_CERTIFICATES": "sign it: apps/android/README.md",
}
LOCKED = 'am get-started-user-state "$(am get-current-user)"'
# raw, for otherwise a text of the app's takes the place of the code that says it is over
INSTRUMENT = 'exec am instrument -w -r -e job "$2" -e result "$3" "$1"'
_LISTED = re.compile(rf"^instrumentation:(.+)=([\w.]+/[\w.]*\.{RUNNER}) \(target=", re.MULTILINE)


@dataclass(frozen=True)
class App:
    """The app of an APK, as a phone has it."""

    apk: Path
    component: str
    """PACKAGE/CLASS of its instrumentation."""
    runtime: str
    backend: str | None = None
    """What its runtime offers the nodes to before its own kernels; None: what the artifact says."""
    float16: bool = False

    @property
    def id(self) -> str:
        """Its application id."""
        return self.component.partition("/")[0]

    def computing_by(self, backend: str | None, float16: bool) -> App:
        """This app, asked for a backend; DeviceError where its runtime has none of that name."""
        if backend is not None and backend not in BACKENDS[self.runtime]:
            info = runtime_info(self.runtime)
            hint = f"it has {' and '.join(BACKENDS[self.runtime])}"
            if not BACKENDS[self.runtime]:
                hint = "its files say themselves what computes them: choose the target's backends instead"
            raise DeviceError(f"the app {self.id} has {info.title if info else self.runtime} without {backend}", hint)
        return replace(self, backend=backend, float16=float16)

    def asked(self, runtime: JobRuntime) -> JobRuntime:
        """What a job asks of the app's runtime, for what it asks of any."""
        if self.backend is None:
            return runtime
        options = {"float16": self.float16} if self.backend in ACCELERATORS else {}
        return runtime.model_copy(update={"backend": self.backend, "options": {**runtime.options, **options}})

    def agent(self) -> Agent:
        """It has its files already."""
        return Agent(
            name=f"app {self.id}",
            runtimes={self.runtime: self.runtime},
            modes=TIMED | LASTING,
            files_for=lambda arch: {},
            command=lambda place, python: ["sh", "-c", INSTRUMENT, "edgeship", self.component],
            sources=lambda: (self.apk,),
            brings_runtime=True,
        )


def check(apk: Path) -> None:
    """ValueError for a file that is no APK with edgeship's instrumentation in it."""
    try:
        with zipfile.ZipFile(apk) as archive:
            manifest = archive.read(MANIFEST)
    except FileNotFoundError:
        raise ValueError("there is no such file") from None
    except (OSError, zipfile.BadZipFile, KeyError):
        raise ValueError("it is no APK") from None
    if not any(RUNNER.encode(encoding) in manifest for encoding in ("utf-8", "utf-16-le")):
        raise ValueError("it is not edgeship's app, for it has no JobInstrumentation: build apps/android")


def installed(connection: Connection, folder: str, apk: Path) -> App:
    """The app on the phone, byte for byte: installed unless it is there. `folder` is ours there.

    DeviceError where the phone is locked or refuses it.
    """
    if b"RUNNING_LOCKED" in connection.there(LOCKED, ())[1]:
        reason = f"{connection.host} was not unlocked since it was started: apps have no storage yet"
        raise DeviceError(reason, "unlock it once")
    component = _component(connection, apk)
    if component is None:
        _install(connection, folder, apk)
        component = _component(connection, apk)
    if component is None:
        raise DeviceError(
            f"{connection.host} does not list {apk.name} as it was installed", "see `pm list instrumentation`"
        )
    flavour = component.partition("/")[0].rpartition(".")[2]
    if flavour not in FLAVOURS:
        hint = f"let its application id end in one of {', '.join(FLAVOURS)}"
        raise DeviceError(f"{component} does not tell the runtime of {apk.name}", hint)
    return App(apk, component, FLAVOURS[flavour])


def _component(connection: Connection, apk: Path) -> str | None:
    """The instrumentation of the installed app that is this APK; None where there is none."""
    places = dict(_LISTED.findall(connection.ask("pm list instrumentation -f")))
    sums = connection.ask('sha256sum "$@"', *places) if places else ""
    there = dict(line.split(maxsplit=1) for line in sums.splitlines())
    place = there.get(digest(apk))
    return places[place] if place else None


def _install(connection: Connection, folder: str, apk: Path) -> None:
    place = f"{folder}/app.apk"
    with tempfile.TemporaryDirectory(prefix="edgeship-") as work:
        log = Path(work) / "install.log"
        connection.put(apk, place)
        try:
            connection.run(["pm", "install", "-r", place], log, INSTALL_S, {})
        except TimeoutError as error:
            reason = f"{connection.host} did not install {apk.name} within {INSTALL_S:g} s"
            raise DeviceError(reason, "does it ask something on its screen?") from error
        finally:
            connection.there('rm -f "$1"', [place])
        said = log.read_text(errors="replace").strip()
    if "Success" not in said.splitlines():
        failure = re.search(r"Failure \[(.*?)\]?$", said, re.MULTILINE)
        why = failure[1] if failure else said.partition("\n")[0]
        hint = next((text for code, text in REMEDIES.items() if f"_{code}" in why), "see `adb logcat`")
        raise DeviceError(f"{connection.host} refuses {apk.name}: {why}", hint)

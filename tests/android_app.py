"""What a phone's `pm` and `am` do and print where edgeship asks them, for the stand-in of a phone (tests/adbd.py).

`python android_app.py FOLDER pm|am WORD…`: FOLDER holds the recorded texts (tests/recorded/android), what is installed,
what an app is (agent.json: the command that answers a job) and, where a test wants it so, the texts of install.txt and
instrument.txt that come instead. Apps run on this machine.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import uuid
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNNER = "edgeship.app.JobInstrumentation"
PYTHON_APP = [sys.executable, "-I", str(ROOT / "apps/agents/python/agent.py")]
_MAVEN = Path.home() / ".m2/repository"
_JARS = (
    "org/jetbrains/kotlin/kotlin-stdlib/2.*",
    "org/jetbrains/kotlinx/kotlinx-serialization-*-jvm/*",
    "com/microsoft/onnxruntime/onnxruntime/*",
)


def jvm_app() -> list[str]:
    """The Kotlin agent as a command; empty where the check build has not been made (make check-android)."""
    classes = [ROOT / "apps/android" / module / "target/classes" for module in ("core", "engine-onnx")]
    jars = [sorted(_MAVEN.glob(f"{pattern}/*[0-9].jar")) for pattern in _JARS]
    made = (classes[0] / "edgeship/bench/AgentKt.class").exists() and classes[1].is_dir()
    if not made or not all(jars) or shutil.which("java") is None:
        return []
    newest = [jar for found in jars for jar in reversed(found)]
    places = ":".join(map(str, [*classes, *newest]))
    return ["java", "-cp", places, str(ROOT / "tests/AppOnJvm.java")]


def make_apk(path: Path, application_id: str, runner: str = RUNNER) -> Path:
    """As far as it is looked at: a zip whose manifest names the id and the instrumentation, in UTF-16 as aapt2 does."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("AndroidManifest.xml", f"\0{application_id}\0{runner}\0".encode("utf-16-le"))
    return path


def pm(folder: Path, words: list[str]) -> int:
    """`list instrumentation -f`, and `install -r APK`."""
    if words == ["list", "instrumentation", "-f"]:
        print("instrumentation:/system/app/Other.apk=com.other/.Runner (target=com.other)")
        for apk in folder.glob("app/*/*/base.apk"):
            application_id = _application_id(apk)
            print(f"instrumentation:{apk}={application_id}/{RUNNER} (target={application_id})")
        return 0
    assert words[:2] == ["install", "-r"], words
    with (folder / "installs.txt").open("a") as log:
        log.write(f"{words[2]}\n")
    if (folder / "install.txt").exists():
        print((folder / "install.txt").read_text(), end="", file=sys.stderr)
        return 1
    application_id = _application_id(Path(words[2]))
    for old in folder.glob(f"app/*/{application_id}-*"):
        shutil.rmtree(old)
    place = folder / f"app/~~{uuid.uuid4().hex}==/{application_id}-{uuid.uuid4().hex}=="
    place.mkdir(parents=True)
    shutil.copy(words[2], place / "base.apk")
    print("Success")
    return 0


def am(folder: Path, words: list[str]) -> int:
    """`get-current-user`, `get-started-user-state`, `force-stop`, and `instrument -w -r`."""
    if words[0] == "get-current-user":
        print(0)
    elif words[0] == "get-started-user-state":
        print("RUNNING_LOCKED" if (folder / "locked").exists() else "RUNNING_UNLOCKED")
    elif words[0] == "force-stop":
        with (folder / "stopped.txt").open("a") as log:
            log.write(f"{words[1]}\n")
        os.killpg(int((folder / "running.txt").read_text()), signal.SIGKILL)
    else:
        assert words[:3] == ["instrument", "-w", "-r"], words
        return _instrument(folder, words[3:])
    return 0


def _instrument(folder: Path, words: list[str]) -> int:
    component = words.pop()
    extras = {key: value for _, key, value in zip(words[::3], words[1::3], words[2::3], strict=True)}
    listed = [_application_id(apk) for apk in folder.glob("app/*/*/base.apk")]
    instead = folder / "instrument.txt"
    if component.partition("/")[0] not in listed:
        instead = folder / "instrument-missing.txt"
    if instead.exists():
        print(instead.read_text(), end="")
        return 0
    print("INSTRUMENTATION_STATUS: phase=start\nINSTRUMENTATION_STATUS_CODE: 0", flush=True)
    result = Path(extras["result"])
    command = [*json.loads((folder / "agent.json").read_text()), extras["job"], str(result)]
    # an app is no child of `am`: it lives on when that is ended
    app = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    (folder / "running.txt").write_text(str(app.pid))
    _, said = app.communicate()
    if app.returncode < 0:
        print((folder / "instrument-process-crashed.txt").read_text(), end="")
        return 0
    assert result.exists(), said
    answered = json.loads(result.read_text())
    answered["agent"]["kind"] = "android"  # where Python's agent takes the app's place
    result.write_text(json.dumps(answered))
    print(
        f"INSTRUMENTATION_RESULT: result={result}\nINSTRUMENTATION_RESULT: stream={result}\n\nINSTRUMENTATION_CODE: -1"
    )
    return 0


def _application_id(apk: Path) -> str:
    with zipfile.ZipFile(apk) as archive:
        manifest = archive.read("AndroidManifest.xml").decode("utf-16-le")
    found = re.search(r"\0([\w.]+)\0", manifest)
    assert found
    return found[1]


if __name__ == "__main__":
    sys.exit({"pm": pm, "am": am}[sys.argv[2]](Path(sys.argv[1]), sys.argv[3:]))

"""A stand-in of Xcode's devicectl and of an iPhone with edgeship's app, which Python's agent executes the jobs of.

`xcrun` in a folder on PATH is this file. It answers as recorded (tests/recorded/apple), and a folder is the container.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

RECORDED = Path(__file__).parent / "recorded" / "apple"
AGENT = Path(__file__).parents[1] / "apps" / "agents" / "python" / "agent.py"
APP = "dev.edgeship.EdgeshipOnnx"
STATE = "EDGESHIP_IPHONE"
"""The variable that names the stand-in's folder."""


@dataclass(frozen=True)
class IPhone:
    """`folder` holds the container and `does`: answers (default), locked, crashes, hangs, mumbles."""

    folder: Path

    @property
    def documents(self) -> Path:
        return self.folder / "Documents"

    def does(self, what: str) -> None:
        (self.folder / "does").write_text(what)

    @property
    def asked(self) -> list[list[str]]:
        """The commands so far."""
        return [json.loads(line) for line in (self.folder / "asked.jsonl").read_text().splitlines()]

    @property
    def processes(self) -> list[int]:
        """The app's, of those that are left."""
        pids = [int(file.name) for file in (self.folder / "processes").iterdir()]
        return [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


def make(folder: Path) -> IPhone:
    """The folder, with `xcrun` in its `bin`."""
    for name in ("Documents", "processes", "bin"):
        (folder / name).mkdir(parents=True)
    (folder / "asked.jsonl").write_text("")
    xcrun = folder / "bin" / "xcrun"
    xcrun.write_text(f'#!/bin/sh\nexec env {STATE}="{folder}" "{sys.executable}" "{__file__}" "$@"\n')
    xcrun.chmod(0o755)
    phone = IPhone(folder)
    phone.does("answers")
    return phone


def main(phone: IPhone, words: list[str]) -> int:
    """One command of devicectl."""
    with (phone.folder / "asked.jsonl").open("a") as log:
        log.write(f"{json.dumps(words)}\n")
    does = (phone.folder / "does").read_text()
    options = {name: value for name, value in itertools.pairwise(words) if name.startswith("--")}
    command = [word for word in words[1:4] if not word.startswith("--")]
    code, answer = 0, "copied.json"
    change: dict[str, Any] = {}
    match command:
        case ["list", "devices"]:
            answer = "list-devices.json"
        case ["device", "info", "apps"]:
            answer = "apps.json"
            change = {} if options["--bundle-id"] == APP else {"apps": []}
        case ["device", "copy", "to"]:
            shutil.copy(options["--source"], phone.folder / options["--destination"])
        case ["device", "copy", "from"] if (phone.folder / options["--source"]).is_file():
            shutil.copy(phone.folder / options["--source"], options["--destination"])
        case ["device", "copy", "from"]:
            code, answer = 1, "no-file.json"
        case ["device", "process", "launch"] if does == "locked":
            code, answer = 1, "locked.json"
        case ["device", "process", "launch"]:
            variables = {**os.environ, **json.loads(options["--environment-variables"])}
            app = subprocess.Popen(
                [sys.executable, __file__, "--app", does], env=variables, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            (phone.folder / "processes" / str(app.pid)).touch()
            answer, change = "launch.json", {"process": {"processIdentifier": app.pid}}
        case ["device", "info", "processes"]:
            answer = "processes.json"
            change = {"runningProcesses": [{"processIdentifier": pid} for pid in (1, 92, *phone.processes)]}
        case ["device", "process", "terminate"]:
            os.kill(int(options["--pid"]), signal.SIGKILL)
    document = json.loads((RECORDED / answer).read_text())
    if change:
        document["result"] |= change
    Path(options["--json-output"]).write_text(json.dumps(document))
    return code


def app(documents: Path, job: str, does: str) -> None:
    """What apps/ios does with a job that was sent (SentJob.swift)."""
    if does == "hangs":
        time.sleep(600)
    if does == "crashes":
        os.abort()
    with zipfile.ZipFile(documents / f"{job}.zip") as archive:
        archive.extractall(documents / "job")
    (documents / f"{job}.zip").unlink()
    place, result = documents / "job" / "job.json", documents / "job" / "result.json"
    subprocess.run([sys.executable, "-I", str(AGENT), str(place), str(result)], check=False)
    captured = json.loads(place.read_text()).get("capture")
    if captured and (place.parent / captured).exists():
        (place.parent / captured).rename(documents / f"{job}.bin")
    if does == "mumbles":
        result.write_text("{}")
    result.rename(documents / f"{job}.json")
    shutil.rmtree(place.parent)


if __name__ == "__main__":
    state = Path(os.environ[STATE])
    if sys.argv[1] == "--app":
        app(state / "Documents", os.environ["EDGESHIP_JOB"], sys.argv[2])
    else:
        sys.exit(main(IPhone(state), sys.argv[1:]))

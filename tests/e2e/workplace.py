"""A user's place of work: a project folder and a cache of its own, where `edgeship` is run as the command it is."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

PROJECT = Path(__file__).with_name("project")
EDGESHIP = Path(sys.executable).with_name("edgeship")
TIMEOUT_S = 600  # of one command, on a machine that does other things too


@dataclass
class Workplace:
    """`folder` holds recipe.toml, model.py and data.py of tests/e2e/project."""

    folder: Path
    cache: Path
    env: dict[str, str] = field(default_factory=dict)
    executable: Path = EDGESHIP

    def __post_init__(self) -> None:
        if not self.folder.exists():
            shutil.copytree(PROJECT, self.folder)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "EDGESHIP_CACHE": str(self.cache),
            "EDGESHIP_HISTORY": str(self.folder / "history.sqlite"),
            "OMP_NUM_THREADS": "1",
            "PYTHONFAULTHANDLER": "1",
            **self.env,
        }

    def edgeship(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; nothing a user does may end in a traceback."""
        command = [str(self.executable), *map(str, arguments)]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=TIMEOUT_S
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
        return done

    def json(self, *arguments: str | Path, code: int = 0) -> Any:
        """What a command with --json says: one document and nothing else on standard output."""
        done = self.edgeship(*arguments, "--json")
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start a command in a session of its own, as a terminal does."""
        return subprocess.Popen(
            [str(self.executable), *map(str, arguments)],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def ended(self, run: subprocess.Popen[str], seconds: float) -> tuple[str, str]:
        """What a started command said; one that does not end is made to print the stacks of all its threads."""
        try:
            return run.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGABRT)
            raise AssertionError("not ended\n" + "\n".join(run.communicate(timeout=60))) from None

    def recipe(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def runs(self) -> list[Path]:
        return sorted((self.folder / "runs").glob("*"))

    def events(self, run: Path) -> list[dict[str, Any]]:
        file = run / "events.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def recipe_text(*targets: str, variants: str = "float = []", build: str = "") -> str:
    """The project's recipe with other variants and targets."""
    text = (PROJECT / "recipe.toml").read_text()
    head, _, _ = text.partition("[variants]")
    tables = "\n".join(f"[targets.{name}]" for name in targets)
    return f"{head}[variants]\n{variants}\n\n{tables}\n" + (f"\n[build]\n{build}\n" if build else "")


def register(folder: Path, **groups: dict[str, str]) -> None:
    """Make an installed distribution of `folder` (on PYTHONPATH): its entry points by group, as pip writes them."""
    about = folder / "guest-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: guest\nVersion: 1.0\n")
    lines = []
    for group, names in groups.items():
        lines += [f"[edgeship.{group}]", *(f"{name} = {value}" for name, value in names.items())]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n")


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for: {what}"
        time.sleep(0.1)


def descendants(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    found = []
    for process in processes:
        try:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found

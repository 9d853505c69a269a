"""results/NAME.json: the environment, raw figures and goals of one benchmark, written after every step."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgeship.toolchain.build.lines import Event
from edgeship.toolchain.devices.agents.python import facts
from edgeship.toolchain.registry import version_of

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(__file__).parent / "results"
LIBRARIES = ("torch", "torchao", "executorch", "onnx", "onnxruntime", "ai-edge-litert", "litert-torch",
             "ai-edge-quantizer", "coremltools", "coreai-torch", "torchvision", "timm")  # fmt: skip


@dataclass(frozen=True)
class Goal:
    """A figure beside its limit; `value` None: not measured, which is missed."""

    name: str
    value: float | None
    limit: float
    met: bool
    at_least: bool = False
    note: str = ""

    def __str__(self) -> str:
        value = "not measured" if self.value is None else f"{self.value:.4g}"
        sign = "≥" if self.at_least else "≤"
        note = f" ({self.note})" if self.note else ""
        return f"goal {self.name}: {value} against {sign} {self.limit:g}: {'met' if self.met else 'missed'}{note}"


def at_most(name: str, value: float | None, limit: float, note: str = "") -> Goal:
    """A goal that is met by a value up to the limit."""
    return Goal(name, value, limit, value is not None and value <= limit, note=note)


def at_least(name: str, value: float | None, limit: float, note: str = "") -> Goal:
    """A goal that is met by a value from the limit on."""
    return Goal(name, value, limit, value is not None and value >= limit, at_least=True, note=note)


class Results:
    """One file under results/; a quick run writes beside it (NAME.quick.json, not committed)."""

    def __init__(self, name: str, quick: bool) -> None:
        self.path = FOLDER / f"{name}{'.quick' if quick else ''}.json"
        self.name = name
        self.quick = quick
        self.rows: dict[str, Any] = json.loads(self.path.read_text())["rows"] if self.path.exists() else {}

    def put(self, name: str, row: Any, goals: Callable[[dict[str, Any]], Iterable[Goal]]) -> None:
        """Add or replace a row and write the file."""
        self.rows[name] = row
        self.write(goals)

    def write(self, goals: Callable[[dict[str, Any]], Iterable[Goal]]) -> list[Goal]:
        """Write the file with the goals as they stand."""
        found = list(goals(self.rows))
        document = {
            "name": self.name,
            "created_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "quick": self.quick,
            "environment": environment(),
            "goals": [asdict(goal) for goal in found],
            "rows": self.rows,
        }
        FOLDER.mkdir(exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        part.replace(self.path)
        return found

    def finish(self, goals: Callable[[dict[str, Any]], Iterable[Goal]]) -> None:
        """Write the file and print one line per goal."""
        for goal in self.write(goals):
            print(goal)
        print(f"written: {self.path.relative_to(ROOT)}")


def environment() -> dict[str, Any]:
    """The machine, its load, and the libraries."""
    return {
        "device": facts(),
        "load": list(os.getloadavg()),
        "python": ".".join(map(str, sys.version_info[:3])),
        "libraries": {name: version for name in LIBRARIES if (version := version_of(name))},
    }


def say_failure(event: Event) -> None:
    """A step of a build that came to nothing."""
    if event.kind in ("failed", "unsupported"):
        say(f"{event.line}: {event.kind}: {event.text}")


def say(text: str) -> None:
    """A line of progress, at once."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)

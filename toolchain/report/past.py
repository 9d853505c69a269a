"""The history of figures: what every run found, in one SQLite file that no cache limit touches."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeship.toolchain.errors import EdgeshipError
from edgeship.toolchain.recipe.budgets import OF_FILE, TIMED
from edgeship.toolchain.report.document import Execution, Report, ReportLine
from edgeship.toolchain.report.figures import of_execution, of_file

FIGURES = ("size_bytes", "metric", "instructions", "planned_bytes", *TIMED)
WAIT_S = 30.0
"""How long to wait for another run that writes."""
_TABLE = """CREATE TABLE IF NOT EXISTS figures (
    at TEXT NOT NULL, recipe TEXT NOT NULL, line TEXT NOT NULL, device TEXT NOT NULL, figure TEXT NOT NULL,
    value REAL NOT NULL, low REAL, high REAL, conditions TEXT NOT NULL, sha256 TEXT NOT NULL)"""


@dataclass(frozen=True)
class Entry:
    """One figure of one run."""

    at: str
    recipe: str
    line: str
    device: str
    """Empty for what no device changes."""
    figure: str
    value: float
    interval: tuple[float, float] | None
    conditions: dict[str, Any]
    """What must be equal for two values to be compared."""
    sha256: str

    @property
    def subject(self) -> tuple[str, str, str, str]:
        """Whose history it is part of."""
        return self.recipe, self.line, self.device, self.figure


def place() -> Path | None:
    """The file: $EDGESHIP_HISTORY, else in the platform's data folder; None where the variable is empty."""
    if (given := os.environ.get("EDGESHIP_HISTORY")) is not None:
        return Path(given) if given else None
    import platformdirs

    return Path(platformdirs.user_data_dir("edgeship")) / "history.sqlite"


def keep(report: Report) -> None:
    """Append the figures of a run; EdgeshipError where the file cannot be written."""
    path = place()
    if path is None:
        return
    with _opened(path) as database:
        database.executemany(
            "INSERT INTO figures VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    *(report.created_at, *entry.subject, entry.value, *(entry.interval or (None, None))),
                    *(json.dumps(entry.conditions, sort_keys=True), entry.sha256),
                )
                for entry in of_report(report)
            ],
        )


def entries(recipe: str | None = None, figures: tuple[str, ...] = FIGURES) -> list[Entry]:
    """All that is kept of a recipe (None: of all), the oldest first; none where no run was kept yet."""
    path = place()
    if path is None or not path.exists():
        return []
    with _opened(path) as database:
        found = database.execute("SELECT * FROM figures WHERE ? IS NULL OR recipe = ? ORDER BY at", (recipe, recipe))
        return [
            Entry(at, name, line, device, figure, value, None if low is None else (low, high), json.loads(same), sha256)
            for at, name, line, device, figure, value, low, high, same, sha256 in found
            if figure in figures
        ]


def of_report(report: Report) -> Iterator[Entry]:
    """Every figure of a run."""
    for line in report.lines:
        if line.artifact is None:
            continue
        for figure in FIGURES:
            for execution in [None] if figure in OF_FILE else line.executions:
                found = of_execution(execution, figure) if execution else of_file(line, figure)
                if found is not None:
                    yield Entry(
                        at=report.created_at,
                        recipe=report.name,
                        line=line.name,
                        device=execution.device if execution else "",
                        figure=figure,
                        value=found[0],
                        interval=found[1],
                        conditions=_conditions(report, line, execution, figure),
                        sha256=line.artifact.sha256,
                    )


def _conditions(report: Report, line: ReportLine, execution: Execution | None, figure: str) -> dict[str, Any]:
    if execution is None:
        return {}
    if figure == "metric":
        assert execution.metric is not None
        return {"metric": execution.metric.name, "samples": execution.metric.samples}
    machine = report.devices[execution.device]
    told = {"model": machine.get("model"), "cpu": machine["cpu"].get("features"), "by": machine.get("emulated_by")}
    if figure == "instructions":
        return told
    timed = execution.timed
    assert timed is not None
    same = {name: getattr(timed, name) for name in ("agent", "runtime", "threads", "batch", "inputs", "launches")}
    return {**told, **same, "quick": report.quick}


def differing(old: Entry, new: Entry) -> str:
    """Why two values of one subject cannot be compared; empty where they can."""
    names = sorted({*old.conditions, *new.conditions})
    changed = [name for name in names if old.conditions.get(name) != new.conditions.get(name)]
    return f"not compared: other {', '.join(changed)}" if changed else ""


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(path, timeout=WAIT_S)) as database, database:
            database.execute(_TABLE)
            yield database
    except (sqlite3.Error, OSError) as error:
        hint = "let EDGESHIP_HISTORY name a file that can be written, or be empty for none"
        raise EdgeshipError(f"the history {path} cannot be used: {error}", hint) from error

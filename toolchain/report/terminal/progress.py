"""Progress of a run on standard error: a live display on a terminal, one plain line per finished line elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column

from edgeship.toolchain.build.lines import Event
from edgeship.toolchain.report.terminal import console

ENDS = ("done", "failed", "unsupported")
"""Events after which a line is finished."""


class Tracker:
    """Takes a run's events, from any thread.

    `lines` are the names that a person knows the lines by, none where nothing but analyses is worked on; seconds count
    from the start of the run.
    """

    def __init__(self, lines: Mapping[str, str], on: Console, progress: Progress | None = None) -> None:
        self._lines = lines
        self._console = on
        self._progress = progress
        self._finished: set[str] = set()
        self._tasks: dict[str, TaskID] = {}
        self._rounds: set[str] = set()
        self._warnings = 0
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._all = progress.add_task(self._so_far(), stage="", total=len(lines)) if progress and lines else None

    def __call__(self, event: Event) -> None:
        """Show an event."""
        with self._lock:
            name = self._lines.get(event.line, event.line)
            if event.kind == "spent":
                return
            if event.kind == "warning":
                self._warn(f"{name}: {event.text}")
            elif event.kind == "measuring":
                self._measure(name, event.text)
            elif event.kind == "progress":
                self._work(event.line, name, event.text)
            else:
                self._end(event.line)
            if event.kind in ENDS and event.line in self._lines and event.line not in self._finished:
                self._finished.add(event.line)
                self._finish(name, event)

    def _so_far(self) -> str:
        return f"{len(self._finished)} of {console.count(len(self._lines), 'line')}"

    def _finish(self, name: str, event: Event) -> None:
        reason = f": {event.text}" if event.kind == "failed" else ""
        outcome = event.text if event.kind == "done" else event.kind
        style = "bold red" if event.kind == "failed" else ""
        if self._progress is None:
            place = f"[{len(self._finished)}/{len(self._lines)}]"
            console.say(f"{place} {name}: {outcome}, {self._seconds()}{reason}", style, on=self._console)
        else:
            assert self._all is not None
            self._progress.update(self._all, description=self._so_far(), completed=len(self._finished))
            if reason:
                console.say(f"failed: {name}{reason}", style, on=self._console)

    def _measure(self, name: str, text: str) -> None:
        """All lines are launched in turn: one row shows which, and a plain line tells that a round begins."""
        if self._progress is not None:
            self._work("measuring", "measuring", f"{name}, {text}")
        elif text not in self._rounds:
            self._rounds.add(text)
            console.say(f"measuring: {text}, {self._seconds()}", on=self._console)

    def _warn(self, text: str) -> None:
        """The report says every warning again: a live display shows how many there are, and the last one."""
        self._warnings += 1
        if self._progress is None:
            console.say(f"warning: {text}", "yellow", on=self._console)
        else:
            self._work("warnings", console.count(self._warnings, "warning"), text)
            self._progress.update(self._tasks["warnings"], total=0)  # which nothing is done about: it does not spin

    def _work(self, line: str, name: str, stage: str) -> None:
        if self._progress is None:
            return
        if line not in self._tasks:
            self._tasks[line] = self._progress.add_task(name, stage="", total=None)
        self._progress.update(self._tasks[line], description=name, stage=stage)

    def _end(self, line: str) -> None:
        if self._progress is not None and line in self._tasks:
            self._progress.remove_task(self._tasks.pop(line))

    def _seconds(self) -> str:
        return f"{time.monotonic() - self._started:.1f} s"


@contextmanager
def tracking(lines: Mapping[str, str]) -> Iterator[Tracker]:
    """A Tracker for the time of a run."""
    if not console.err.is_terminal:
        yield Tracker(lines, console.err)
        return
    # wrapped rather than cut where the terminal is narrow
    name, stage = (
        TextColumn(text, markup=False, table_column=Column(overflow="fold"))
        for text in ("{task.description}", "{task.fields[stage]}")
    )
    with Progress(SpinnerColumn(), name, stage, TimeElapsedColumn(), console=console.err, transient=True) as progress:
        yield Tracker(lines, console.err, progress)

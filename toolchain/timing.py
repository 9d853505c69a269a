"""Where the seconds of a run go: each piece of work with its parts, as the code names them while it runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from pydantic import BaseModel, ConfigDict, Field


class Timing(BaseModel):
    """One piece of work."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    line: str = Field("", description="the line, or the model and the pass, that it was done for")
    work: str = Field(description="what was done: capture, pass, convert, outputs, floor, verify …")
    started_s: float = Field(0, description="when it was asked for, in seconds since 1970")
    waited_s: float = Field(0, description="for its worker, a free core and memory")
    wall_s: float
    cpu_s: float | None = Field(None, description="of all threads; absent for what other programs do")
    peak_bytes: int | None = Field(None, description="the most its worker held, beside what workers share")
    parts: dict[str, float] = Field(default_factory=dict, description="wall time by part; what is left has no name")


class Clock:
    """Counts the seconds of one piece of work, each second in the innermost part that is open."""

    def __init__(self) -> None:
        self._began = self._since = time.monotonic()
        self._cpu_s = time.process_time()
        self._open: list[str] = []
        self._parts: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """What runs in the block belongs to this part."""
        self._book()
        self._open.append(name)
        try:
            yield
        finally:
            self._book()
            self._open.pop()

    def timing(self, work: str) -> Timing:
        """What was counted until now."""
        wall_s, cpu_s = time.monotonic() - self._began, time.process_time() - self._cpu_s
        return Timing(work=work, wall_s=wall_s, cpu_s=cpu_s, parts=dict(self._parts))

    def _book(self) -> None:
        now = time.monotonic()
        if self._open:
            self._parts[self._open[-1]] = self._parts.get(self._open[-1], 0.0) + now - self._since
        self._since = now


_running: ContextVar[Clock | None] = ContextVar("running", default=None)


@contextmanager
def clock() -> Iterator[Clock]:
    """A clock for the time of the block, which `part` finds."""
    made = Clock()
    token = _running.set(made)
    try:
        yield made
    finally:
        _running.reset(token)


@contextmanager
def part(name: str) -> Iterator[None]:
    """Count the seconds of the block as this part of the work that a clock runs for; nothing where none does."""
    running = _running.get()
    if running is None:
        yield
        return
    with running.part(name):
        yield

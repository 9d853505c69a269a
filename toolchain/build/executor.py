"""Where stages run: the protocol, and the one that runs them in worker processes of this machine."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from edgeship.toolchain.build.stages.stage import Report, Stage
from edgeship.toolchain.build.worker import Here, Worker
from edgeship.toolchain.errors import DiedError, LineError
from edgeship.toolchain.recipe.plan import BuildOptions

MOST_WAITING = 1000
"""Stages that wait for a place each have a thread; each line waits for one stage."""


class Executor(Protocol):
    """Runs stages; another one (a cluster, a queue) needs no more than this."""

    def submit(self, stage: Stage, report: Report) -> Future[str]:
        """Run a stage when there is a place for it; the future answers what it answered, or raises what it raised."""
        ...

    def prepare(self, stage: Stage) -> None:
        """Run a stage that only saves time later, if a place is free and nobody has started its family yet."""
        ...

    def peak_bytes(self) -> dict[str, int]:
        """The most memory each family took."""
        ...

    def close(self) -> None:
        """End everything and start no more."""
        ...


class Slots:
    """As many holders at once as there are slots; of those who wait, the lowest priority number goes first."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: list[tuple[int, int]] = []
        self._arrivals = itertools.count()
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def hold(self, priority: int) -> Iterator[None]:
        """Wait for a slot and hold it for the time of the block."""
        with self._changed:
            ticket = (priority, next(self._arrivals))
            heapq.heappush(self._waiting, ticket)
            self._changed.wait_for(lambda: self._free > 0 and self._waiting[0] == ticket)
            heapq.heappop(self._waiting)
            self._free -= 1
            self._changed.notify_all()  # another slot may be free for the next in line
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()


class Workers:
    """One worker process per family, and as many stages at once as there are `slots`.

    Families in `here` run in this process: only it knows a live module.
    """

    def __init__(self, log: Path, limits: BuildOptions, slots: Slots, here: frozenset[str] = frozenset()) -> None:
        self._log = log
        self._limits = limits
        self._slots = slots
        self._here = here
        self._lock = threading.Lock()
        self._closed = False
        self._workers: dict[str, Worker] = {}
        self._threads = ThreadPoolExecutor(max_workers=MOST_WAITING)

    def submit(self, stage: Stage, report: Report) -> Future[str]:
        """LineError when it fails; a stage whose process dies is tried again where it allows it, in a new one."""
        return self._threads.submit(self._run, stage, report)

    def prepare(self, stage: Stage) -> None:
        """Nothing happens where the worker is up or busy."""
        with self._slots.hold(stage.priority):
            if self._closed:
                return
            worker = self._worker(stage.family)
            if not worker.turn.acquire(blocking=False):
                return
            try:
                if not worker.started:
                    worker.call(stage, lambda kind, text: None)
            finally:
                worker.turn.release()

    def peak_bytes(self) -> dict[str, int]:
        """By family."""
        return {family: worker.peak_bytes for family, worker in self._made().items()}

    def close(self) -> None:
        """Let idle workers end by themselves and end the others, now."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        with ThreadPoolExecutor() as threads:
            list(threads.map(Worker.close, self._made().values()))

    def _run(self, stage: Stage, report: Report) -> str:
        worker = self._worker(stage.family)
        for attempt in range(1, stage.attempts + 1):
            try:
                # in this order: who waits for a busy worker holds no slot
                with worker.turn, self._slots.hold(stage.priority):
                    return worker.call(stage, report)
            except DiedError as error:
                if attempt == stage.attempts or self._closed:
                    raise
                report("warning", f"{error}; tried again in a new one")
        raise AssertionError("a stage has at least one attempt")

    def _made(self) -> dict[str, Worker]:
        """Worker by family, a copy: a warm-up may add one meanwhile."""
        with self._lock:
            return dict(self._workers)

    def _worker(self, family: str) -> Worker:
        with self._lock:
            if family not in self._workers:
                if self._closed:
                    raise LineError("stopped before it began", "run again")
                limit = int(self._limits.memory_gb * 1e9) if self._limits.memory_gb else None
                log = self._log.with_name(f"{self._log.stem}-{family}{self._log.suffix}")
                kind = Here if family in self._here else Worker
                self._workers[family] = kind(log, self._limits.timeout_s, limit)
            return self._workers[family]

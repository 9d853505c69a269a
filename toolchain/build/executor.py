"""Where stages run: the protocol, and the one that runs them in worker processes of this machine."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from edgeship.toolchain.build.memory import refuse_too_large, total
from edgeship.toolchain.build.stages.stage import Report, Stage
from edgeship.toolchain.build.worker import Here, Worker
from edgeship.toolchain.errors import DiedError, LineError
from edgeship.toolchain.recipe.plan import BuildOptions
from edgeship.toolchain.timing import Timing

MOST_WAITING = 1000
"""Stages that wait for a place each have a thread; each line waits for one stage."""


class Executor(Protocol):
    """Runs stages; another one (a cluster, a queue) needs no more than this."""

    def submit(self, stage: Stage, report: Report) -> Future[str]:
        """Run a stage when there is a place for it; the future answers what it answered, or raises what it raised."""
        ...

    def prepare(self, stage: Stage, report: Report) -> None:
        """Run a stage that only saves time later, if a place is free and nobody has started its family yet."""
        ...

    def peak_bytes(self) -> dict[str, int]:
        """The most memory each family took."""
        ...

    def close(self) -> None:
        """End everything and start no more."""
        ...


class Slots:
    """As many holders at once as there are slots and as fit into memory.

    Of those who wait, the lowest priority number goes first: it waits until what it expects to take is left, or nobody
    holds a slot.
    """

    def __init__(self, count: int, memory_bytes: int) -> None:
        self.memory_bytes = memory_bytes
        """What all holders together may take."""
        self.expected_bytes = 0
        """What those who hold a slot expect to take."""
        self._count = count
        self._holders = 0
        self._waiting: list[tuple[int, int]] = []
        self._arrivals = itertools.count()
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def hold(self, priority: int, memory_bytes: int) -> Iterator[None]:
        """Wait for a slot and hold it, and so much memory, for the time of the block."""
        with self._changed:
            ticket = (priority, next(self._arrivals))
            heapq.heappush(self._waiting, ticket)
            self._changed.wait_for(lambda: self._waiting[0] == ticket and self._fits(memory_bytes))
            heapq.heappop(self._waiting)
            self._holders += 1
            self.expected_bytes += memory_bytes
            self._changed.notify_all()  # there may be a slot for the next in line, too
        try:
            yield
        finally:
            with self._changed:
                self._holders -= 1
                self.expected_bytes -= memory_bytes
                self._changed.notify_all()

    def _fits(self, memory_bytes: int) -> bool:
        if self._holders == 0:
            return True
        return self._holders < self._count and self.expected_bytes + memory_bytes <= self.memory_bytes


class Workers:
    """One worker process per family, and as many stages at once as the `slots` let.

    An idle worker that holds memory which others need is ended. Families in `here` run in this process: only it knows a
    live module.
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

    def prepare(self, stage: Stage, report: Report) -> None:
        """Nothing happens where the worker is up or busy."""
        with self._slots.hold(stage.priority, stage.memory_bytes):
            if self._closed:
                return
            worker = self._worker(stage.family)
            if not worker.turn.acquire(blocking=False):
                return
            try:
                if not worker.started:
                    worker.call(stage, report)
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
        asked = time.time()
        refuse_too_large(stage.leads_to_bytes, self._slots.memory_bytes)
        worker = self._worker(stage.family)
        for attempt in range(1, stage.attempts + 1):
            try:
                # in this order: who waits for a busy worker holds no slot
                with worker.turn, self._slots.hold(stage.priority, stage.memory_bytes):
                    self._end_idle(self._slots.expected_bytes, worker)
                    return worker.call(stage, _since(asked, report))
            except DiedError as error:
                if attempt == stage.attempts or self._closed:
                    raise
                report("warning", f"{error}; tried again in a new one")
        raise AssertionError("a stage has at least one attempt")

    def _end_idle(self, taken_bytes: int, but: Worker) -> None:
        """End idle workers, those that hold most first, until what they hold fits beside what is taken."""
        idle = [worker for worker in self._made().values() if worker is not but and not worker.busy]
        for worker in idle:
            worker.look()
        for worker in sorted(idle, key=lambda worker: -worker.held_bytes):
            if taken_bytes + sum(each.held_bytes for each in idle) > self._slots.memory_bytes:
                worker.rest()

    def _excess(self, worker: Worker) -> str:
        """Why a worker must be ended: all together hold more than they may, and it the most beyond what it expected."""
        busy = [each for each in self._made().values() if each.busy]
        held = sum(each.held_bytes for each in busy)
        if held > self._slots.memory_bytes and worker is max(
            busy, key=lambda each: each.held_bytes - each.expected_bytes
        ):
            return f"of {held / 1e9:.1f} GB in all, the build may take {total(self._slots.memory_bytes) / 1e9:.1f} GB"
        self._end_idle(held, worker)
        return ""

    def _made(self) -> dict[str, Worker]:
        """Worker by family, a copy: a warm-up may add one meanwhile."""
        with self._lock:
            return dict(self._workers)

    def _worker(self, family: str) -> Worker:
        with self._lock:
            if family not in self._workers:
                if self._closed:
                    raise LineError("stopped before it began", "run again")
                log = self._log.with_name(f"{self._log.stem}-{family}{self._log.suffix}")
                kind = Here if family in self._here else Worker
                self._workers[family] = kind(log, self._limits.timeout_s, self._excess)
            return self._workers[family]


def _since(asked: float, report: Report) -> Report:
    """A report that tells of a stage, whose work begins now, when it was asked for and how long it waited."""
    waits = {"started_s": asked, "waited_s": time.time() - asked}

    def told(kind: str, text: str) -> None:
        if kind == "spent":
            text = Timing.model_validate_json(text).model_copy(update=waits).model_dump_json()
        report(kind, text)

    return told

"""A worker process per family: reused, restarted after a crash, ended past its limits; its chatter goes to the log."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from multiprocessing import connection
from pathlib import Path
from types import ModuleType

from edgeship.toolchain import timing
from edgeship.toolchain.build.stages.stage import Report, Stage
from edgeship.toolchain.errors import DiedError, EdgeshipError, LineError, first_line
from edgeship.toolchain.references import installed_path
from edgeship.toolchain.room import out_of_room
from edgeship.toolchain.timing import Timing

# torch is imported once by the fork server; workers start from there in milliseconds
PRELOAD = ["edgeship.toolchain.build.preload"]


class Worker:
    """One process; `call` runs one stage at a time and raises what it raised."""

    def __init__(self, log: Path, timeout_s: float, excess: Callable[[Worker], str] = lambda worker: "") -> None:
        self._log = log
        self._timeout_s = timeout_s
        self._excess = excess
        """Asked again and again while it works: why it takes too much memory, or nothing."""
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: connection.Connection | None = None
        self._life = threading.Lock()
        self._closed = False
        self.turn = threading.Lock()
        """Held around `call`: a worker runs one stage at a time."""
        self._calling = threading.Lock()
        self.held_bytes = 0
        """Its own memory when it was last looked at, without what it shares with the fork server."""
        self._inherited_bytes = 0
        self.expected_bytes = 0
        """What the stage in it expects to take."""
        self.peak_bytes = 0
        self._stage_peak_bytes = 0

    def call(self, stage: Stage, report: Report) -> str:
        """Run a stage; `report` gets its warnings and progress while it runs.

        DiedError when the process dies under it; LineError when it passes its time or takes too much memory. The next
        call starts a fresh process, and so does this one where the old one was dead before it began.
        """
        with self._calling:
            self.expected_bytes, self._stage_peak_bytes = stage.memory_bytes, 0
            try:
                return self._call(stage, report)
            except _NotBegunError:
                return self._call(stage, report)
            finally:
                self.look()

    def _call(self, stage: Stage, report: Report) -> str:
        started = time.monotonic()
        with self._life:
            pipe = self._start()
        begun, start_s = False, 0.0
        try:
            pipe.send(stage)
        except OSError:
            raise self._died(begun) from None
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                message = pipe.recv() if pipe.poll(0.2) else None
            except (EOFError, OSError):
                raise self._died(begun) from None
            if message is not None:
                kind, value = message
                if kind == "done":
                    return str(value)
                if kind == "error":
                    raise value
                if kind == "begun":
                    begun, start_s = True, time.monotonic() - started
                elif kind == "spent":
                    self.look()
                    report(kind, self._told(value, start_s).model_dump_json())
                else:
                    report(kind, value)
                continue
            process = self._process
            if process is None or not process.is_alive():
                raise self._died(begun)
            self.look()
            if excess := self._excess(self):
                held = self.held_bytes
                self.stop()
                raise LineError(
                    f"the worker took {held / 1e9:.1f} GB of memory, {excess}",
                    "raise build.memory_gb, build with build.workers = 1, or on a machine with more memory",
                )
            if time.monotonic() > deadline:
                self.stop()
                raise LineError(f"not finished after {self._timeout_s:.0f} s", "raise build.timeout_s; see the log")

    @property
    def started(self) -> bool:
        """Whether it has a process already."""
        return self._process is not None

    @property
    def busy(self) -> bool:
        """Whether a stage is in it."""
        return self._calling.locked()

    def rest(self) -> None:
        """Give back what it holds, unless a stage is in it: its process ends, the next call starts another."""
        if self._calling.acquire(blocking=False):
            try:
                self.stop()
            finally:
                self._calling.release()

    def look(self) -> None:
        """See what the process holds now."""
        self.held_bytes = max(0, self._own_bytes() - self._inherited_bytes)
        self._stage_peak_bytes = max(self._stage_peak_bytes, self.held_bytes)
        self.peak_bytes = max(self.peak_bytes, self.held_bytes)

    def close(self) -> None:
        """Let an idle process end by itself, so that what it holds is given back properly; no call starts another."""
        with self._life:
            self._closed = True
        process, pipe = self._process, self._pipe
        if process is not None and pipe is not None and self.turn.acquire(blocking=False):
            with contextlib.suppress(OSError):
                pipe.send(None)
                process.join(3)
            self.turn.release()
        self.stop()

    def stop(self) -> None:
        """End the process, now."""
        with self._life:  # who closes a worker and who waits for its answer may both come here
            process, self._process = self._process, None
            pipe, self._pipe = self._pipe, None
        if pipe is not None:
            pipe.close()
        if process is not None and process.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            process.join(5)
        self.held_bytes = 0

    def _start(self) -> connection.Connection:
        if self._closed:
            raise LineError("stopped before it began", "run again")
        if self._process is not None and self._process.is_alive() and self._pipe is not None:
            return self._pipe
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOAD)
        ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, str(self._log), installed_path()), daemon=True)
        with _without_main():
            self._process.start()
        theirs.close()
        self._pipe = ours
        self._inherited_bytes = self._own_bytes()
        return ours

    def _own_bytes(self) -> int:
        """Resident memory that no file stands for; exact figures of what is shared would cost milliseconds each."""
        import psutil

        with contextlib.suppress(psutil.Error, AttributeError):
            info = psutil.Process(self._process.pid).memory_info()  # type: ignore[union-attr]
            return int(info.rss) - int(getattr(info, "shared", 0))
        return 0

    def _died(self, begun: bool) -> DiedError:
        process = self._process
        if process is not None:
            process.join(5)
        code = process.exitcode if process is not None else None
        self.stop()
        how = f"exit code {code}"
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            how = f"{name}: out of memory?" if name == "SIGKILL" else name
        kind = DiedError if begun or self._closed else _NotBegunError
        return kind(f"the converter's process died ({how})", f"its last words are in {self._log}")

    def _told(self, spent: Timing, start_s: float) -> Timing:
        """What the process counted, with its own start before that and its memory."""
        counted = {"wall_s": spent.wall_s + start_s, "parts": {"start": start_s, **spent.parts}}
        return spent.model_copy(update={**counted, "peak_bytes": self._stage_peak_bytes})


class Here(Worker):
    """This process in the place of a worker: for what only it knows, a live module."""

    def call(self, stage: Stage, report: Report) -> str:
        """Run the stage here; a crash of it is a crash of this process."""
        with timing.clock() as clock:
            key = stage.run(report)
        report("spent", clock.timing(stage.work).model_dump_json())
        return key


class _NotBegunError(DiedError):
    """A process died before it took up what it was sent."""


_one_start = threading.Lock()


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Workers need nothing of the user's script or notebook: multiprocessing would run it again in each of them."""
    with _one_start:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


def _serve(pipe: connection.Connection, log: str, path: list[str]) -> None:
    """The worker's main loop; it ends when the other end of the pipe closes."""
    sys.path[:] = path  # multiprocessing copies the parent's, with the folders of a recipe that it ran before
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.stdout = os.fdopen(1, "w", buffering=1, errors="replace", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="replace", closefd=False)
    inbox: list[Stage | None] = []
    arrived = threading.Condition()

    def listen() -> None:
        # a parent that was killed closes the pipe: end at once, in the middle of a conversion too
        while True:
            try:
                stage = pipe.recv()
            except (EOFError, OSError):
                os._exit(1)
            with arrived:
                inbox.append(stage)
                arrived.notify()

    threading.Thread(target=listen, daemon=True).start()
    while True:
        with arrived:
            arrived.wait_for(lambda: bool(inbox))
            stage = inbox.pop(0)
        if stage is None:
            return
        pipe.send(("begun", None))
        try:
            with timing.clock() as clock:
                key = stage.run(lambda kind, text: pipe.send((kind, text)))
            pipe.send(("spent", clock.timing(stage.work)))
            pipe.send(("done", key))
        except EdgeshipError as error:
            traceback.print_exc()
            pipe.send(("error", error))
        except MemoryError:
            pipe.send(("error", LineError("out of memory", "build with build.workers = 1, or a machine with more")))
        except Exception as error:
            traceback.print_exc()
            told = LineError(f"{type(error).__name__}: {first_line(error)}", f"the full report is in {log}")
            pipe.send(("error", out_of_room(error, Path(log).parent) or told))
        _give_back()


def _give_back() -> None:
    """Let the system have the memory of the last stage: others work while this process waits."""
    import ctypes

    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # what only glibc has
        ctypes.CDLL(None).malloc_trim(0)

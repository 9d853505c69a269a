"""Each key of a run is made once: read from the store, awaited from the line that makes it, or made by the executor."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from edgeship.toolchain.build.executor import Executor
from edgeship.toolchain.build.lines import Event
from edgeship.toolchain.build.stages.stage import Report, Stage
from edgeship.toolchain.build.store import Entry, R, Store
from edgeship.toolchain.errors import LineError


class Entries:
    """The entries that a run's lines share; any number of threads may ask at once."""

    def __init__(self, store: Store, executor: Executor, on_event: Callable[[Event], None]) -> None:
        self._store = store
        self._executor = executor
        self._on_event = on_event
        self._lock = threading.Lock()
        self._asked: dict[str, Future[Entry[Any]]] = {}
        self._warned: set[tuple[str, str]] = set()

    def entry(self, key: str, kind: type[R], name: str, stage: Stage) -> Entry[R]:
        """The entry of a key; `stage` makes it where nobody has, and what it says is told under `name`.

        Raises what the stage raised, to all who ask for the key.
        """
        with self._lock:
            future = self._asked.get(key)
            mine = future is None
            if future is None:
                future = self._asked[key] = Future()
        if mine:
            try:
                future.set_result(self._made(key, kind, name, stage))
            except BaseException as error:
                future.set_exception(error)
        return future.result()

    def _made(self, key: str, kind: type[R], name: str, stage: Stage) -> Entry[R]:
        if entry := self._store.get(key, kind):
            self.repeat_warnings(name, entry)
            return entry
        self._store.check_writable()  # before a worker is started for nothing
        # a model's key is only known once it was loaded: the stage answers it
        try:
            entry = self._store.get(self._executor.submit(stage, self.report(name)).result(), kind)
        finally:
            self._on_event(Event(name, "ended", ""))
        if entry is None:
            raise LineError(f"{name}: what was built cannot be read back from the cache", "is the disk full?")
        self.repeat_warnings(name, entry)
        return entry

    def report(self, name: str) -> Report:
        """What a stage says, told under `name`."""

        def report(said: str, text: str) -> None:
            if said == "warning":
                self._warn(name, text)
            else:
                self._on_event(Event(name, "spent" if said == "spent" else "progress", text))

        return report

    def repeat_warnings(self, name: str, entry: Entry[Any]) -> None:
        """Say under `name` what was warned of when an entry was made; what this run said already is not said again."""
        for text in getattr(entry.record, "warnings", ()):
            self._warn(name, text)

    def _warn(self, name: str, text: str) -> None:
        with self._lock:
            new = (name, text) not in self._warned
            self._warned.add((name, text))
        if new:
            self._on_event(Event(name, "warning", text))

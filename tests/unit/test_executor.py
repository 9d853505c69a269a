"""Executors: what dies is tried again where many wait for it, others go on, places are given by priority."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from edgeship.toolchain.build.entries import Entries
from edgeship.toolchain.build.executor import Slots, Workers
from edgeship.toolchain.build.lines import Event
from edgeship.toolchain.build.stages.stage import Report, Stage
from edgeship.toolchain.build.store import Record, Store, key_of
from edgeship.toolchain.errors import DiedError, LineError
from edgeship.toolchain.recipe.plan import BuildOptions
from edgeship.toolchain.timing import Timing

PLENTY = 10**12
kept: list[bytes] = []
"""What a worker's stages never give back."""


class Made(Record):
    kind: ClassVar[str] = "made"

    by: int


@dataclass(frozen=True)
class Make(Stage):
    """Makes an entry; first it dies as often as `deaths` says, counted in `marks` over all processes."""

    store: Path
    key: str
    marks: Path
    deaths: int = 0
    of: str = "program"
    tries: int = 2
    expects: int = 0
    keeps: int = 0

    @property
    def memory_bytes(self) -> int:
        return self.expects

    @property
    def family(self) -> str:
        return self.of

    @property
    def attempts(self) -> int:
        return self.tries

    def run(self, report: Report) -> str:
        died = len(list(self.marks.glob(f"{self.key}-*")))
        if died < self.deaths:
            (self.marks / f"{self.key}-{died}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        report("progress", "making")
        kept.append(b"1" * self.keeps)
        return Store(self.store).once(self.key, Made, lambda folder: Made(by=os.getpid())).key


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    made = Workers(tmp_path / "log.txt", BuildOptions(), Slots(2, PLENTY))
    yield made
    made.close()


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Make]:
    (tmp_path / "marks").mkdir()
    return lambda name, **options: Make(tmp_path / "store", key_of(name), tmp_path / "marks", **options)


def test_what_many_lines_wait_for_survives_the_death_of_a_worker(
    workers: Workers, make: Callable[..., Make], tmp_path: Path
) -> None:
    store, events = Store(tmp_path / "store"), list[Event]()
    entries, stage = Entries(store, workers, events.append), make("model", deaths=1)
    found: list[Made] = []

    def line() -> None:
        found.append(entries.entry(stage.key, Made, "model", stage).record)

    lines = [threading.Thread(target=line) for _ in range(3)]
    for thread in lines:
        thread.start()
    for thread in lines:
        thread.join()
    assert len(found) == 3
    assert len(set(found)) == 1  # made once, for all
    assert [event.kind for event in events] == ["warning", "progress", "spent", "ended"]
    assert "SIGKILL" in events[0].text
    timing = Timing.model_validate_json(events[2].text)
    assert (timing.work, set(timing.parts)) == ("work", {"start"})
    assert timing.waited_s > 0  # for the worker that died
    assert timing.parts["start"] > 0
    assert timing.peak_bytes is not None


def test_a_worker_that_dies_fails_only_the_line_that_killed_it(workers: Workers, make: Callable[..., Make]) -> None:
    bad = workers.submit(make("bad", deaths=9, of="onnx", tries=1), lambda kind, text: None)
    good = [workers.submit(make(f"good {i}", of="onnx", tries=1), lambda kind, text: None) for i in range(3)]
    with pytest.raises(DiedError, match="SIGKILL"):
        bad.result()
    assert [future.result() for future in good] == [key_of(f"good {i}") for i in range(3)]


def test_what_kills_every_worker_is_given_up(workers: Workers, make: Callable[..., Make], tmp_path: Path) -> None:
    with pytest.raises(DiedError):
        workers.submit(make("deadly", deaths=9), lambda kind, text: None).result()
    assert len(list((tmp_path / "marks").iterdir())) == 2


def test_after_close_nothing_begins(workers: Workers, make: Callable[..., Make]) -> None:
    workers.close()
    with pytest.raises((LineError, RuntimeError)):
        workers.submit(make("late"), lambda kind, text: None).result()
    workers.prepare(make("warm-up"), lambda kind, text: None)
    assert workers.peak_bytes() == {}


class Counting:
    """An executor that runs stages in this process and counts them."""

    def __init__(self) -> None:
        self.ran = 0

    def submit(self, stage: Stage, report: Report) -> Future[str]:
        self.ran += 1
        future: Future[str] = Future()
        try:
            future.set_result(stage.run(report))
        except Exception as error:
            future.set_exception(error)
        return future

    def prepare(self, stage: Stage, report: Report) -> None: ...

    def peak_bytes(self) -> dict[str, int]:
        return {}

    def close(self) -> None: ...


def test_an_entry_of_the_store_needs_no_executor(make: Callable[..., Make], tmp_path: Path) -> None:
    store, executor, stage = Store(tmp_path / "store"), Counting(), make("a")
    for _ in range(2):  # two runs
        entries = Entries(store, executor, lambda event: None)
        for _ in range(2):  # two lines
            assert entries.entry(stage.key, Made, "a", stage).record.by == os.getpid()
    assert executor.ran == 1


def test_who_asks_for_a_key_that_failed_is_told_why(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Fails(Stage):
        def run(self, report: Report) -> str:
            raise LineError("cannot", "change it")

    executor = Counting()
    entries = Entries(Store(tmp_path), executor, lambda event: None)
    for _ in range(2):
        with pytest.raises(LineError, match="cannot"):
            entries.entry("key", Made, "a", Fails())
    assert executor.ran == 1


def test_slots_go_to_the_lowest_priority_number_first() -> None:
    slots, order = Slots(1, PLENTY), list[int]()
    waiting = threading.Semaphore(0)

    def hold(priority: int) -> None:
        waiting.release()
        with slots.hold(priority, 0):
            order.append(priority)

    threads = [threading.Thread(target=hold, args=(priority,)) for priority in (3, 1, 2, 0)]
    with slots.hold(0, 0):
        for thread in threads:
            thread.start()
            waiting.acquire()
        while len(slots._waiting) < 4:  # the last one to say so may not stand in line yet
            threading.Event().wait(0.01)
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3]


class Asking:
    """Threads that hold slots until they are let go; `inside` are the names of those who hold one, in their order."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.inside: list[str] = []
        self._over: dict[str, threading.Event] = {}
        self._threads: dict[str, threading.Thread] = {}

    def ask(self, name: str, priority: int, memory_bytes: int) -> None:
        """Answers when the thread holds a slot or stands in line."""
        waiting = len(self.slots._waiting)
        self._over[name] = threading.Event()
        self._threads[name] = threading.Thread(target=self._hold, args=(name, priority, memory_bytes))
        self._threads[name].start()
        while name not in self.inside and len(self.slots._waiting) == waiting:
            time.sleep(0.001)
        time.sleep(0.02)

    def leave(self, name: str) -> None:
        self._over[name].set()
        self._threads[name].join(10)
        time.sleep(0.02)

    def _hold(self, name: str, priority: int, memory_bytes: int) -> None:
        with self.slots.hold(priority, memory_bytes):
            self.inside.append(name)
            self._over[name].wait(10)


def test_slots_are_given_while_memory_lasts_and_nobody_overtakes_who_waits_for_it() -> None:
    asking = Asking(Slots(4, 10))
    asking.ask("a", 1, 6)
    asking.ask("b", 1, 4)
    asking.ask("large", 1, 8)
    asking.ask("small", 1, 1)
    assert asking.inside == ["a", "b"]
    asking.leave("b")
    assert asking.inside == ["a", "b"]  # or the large one would wait for ever
    asking.leave("a")
    assert asking.inside == ["a", "b", "large", "small"]
    asking.leave("large")
    asking.leave("small")
    assert asking.slots.expected_bytes == 0


def test_who_expects_more_than_all_there_is_goes_alone() -> None:
    asking = Asking(Slots(4, 10))
    asking.ask("a", 1, 2)
    asking.ask("huge", 0, 50)
    asking.ask("b", 1, 2)
    assert asking.inside == ["a"]
    asking.leave("a")
    assert asking.inside == ["a", "huge"]
    asking.leave("huge")
    assert asking.inside == ["a", "huge", "b"]
    asking.leave("b")


def test_what_expects_more_than_the_build_may_take_does_not_begin(tmp_path: Path, make: Callable[..., Make]) -> None:
    workers = Workers(tmp_path / "log.txt", BuildOptions(), Slots(2, 3_000_000_000))
    stage = make("large", deaths=9, expects=4_000_000_000)
    with pytest.raises(LineError, match=r"expected to take 4\.6 GB of memory, the build may take 3\.6 GB") as caught:
        workers.submit(stage, lambda kind, text: None).result()
    assert "build.memory_gb" in caught.value.hint
    assert list((tmp_path / "marks").iterdir()) == []
    assert workers.peak_bytes() == {}
    workers.close()


def test_an_idle_worker_is_ended_where_another_stage_needs_its_memory(
    tmp_path: Path, make: Callable[..., Make]
) -> None:
    store, workers = Store(tmp_path / "store"), Workers(tmp_path / "log.txt", BuildOptions(), Slots(2, 1_000_000_000))

    def by(name: str, **options: Any) -> int:
        stage = make(name, **options)
        workers.submit(stage, lambda kind, text: None).result()
        entry = store.get(stage.key, Made)
        assert entry is not None
        return entry.record.by

    first = by("a", of="onnx", keeps=300_000_000)
    assert by("b", of="litert", expects=500_000_000) != first
    assert by("c", of="onnx") == first  # there was room for both
    by("d", of="litert", expects=900_000_000)
    assert by("e", of="onnx") != first
    workers.close()

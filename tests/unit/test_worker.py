"""Workers: a converter that crashes, hangs or eats memory fails its own stage, and the next one runs."""

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgeship.toolchain.build.stages.stage import Report, Stage
from edgeship.toolchain.build.worker import Worker
from edgeship.toolchain.errors import DiedError, EdgeshipError, LineError, RecipeError
from edgeship.toolchain.references import load_callable


@dataclass(frozen=True)
class Calls(Stage):
    """A stage that calls a function of this file."""

    function: Callable[[Report], object]

    def run(self, report: Report) -> str:
        return str(self.function(report))


def chatter(report: Report) -> str:
    report("progress", "adding")
    print("chatter of a library")
    return "3"


def process_id(report: Report) -> int:
    return os.getpid()


def module_path(report: Report) -> str:
    return ":".join(sys.path)


def frozen(report: Report) -> int:
    return gc.get_freeze_count()


def abort(report: Report) -> None:
    os.abort()


def kill(report: Report) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(report: Report) -> None:
    time.sleep(60)


def eat(report: Report) -> None:
    hoard = []
    for _ in range(400):
        hoard.append(bytearray(os.urandom(1 << 20)) * 10)
        time.sleep(0.02)


def hoard(report: Report) -> int:
    held = [bytes(range(256)) * 4000 for _ in range(1000)]  # in pieces, which the allocator keeps when they are freed
    time.sleep(0.5)
    return os.getpid() + 0 * len(held)


def nap(report: Report) -> None:
    time.sleep(1)


def refuse(report: Report) -> None:
    raise RecipeError("wrong", "do it right")


def stumble(report: Report) -> None:
    raise IndexError("list index out of range\nand more")


@pytest.fixture
def worker(tmp_path: Path):  # type: ignore[no-untyped-def]
    made = Worker(tmp_path / "log.txt", 60)
    yield made
    made.close()


def call(worker: Worker, function: Callable[[Report], object], heard: list[str] | None = None) -> str:
    def report(kind: str, text: str) -> None:
        if kind == "progress" and heard is not None:
            heard.append(text)

    return worker.call(Calls(function), report)


def test_a_worker_is_reused_and_its_chatter_goes_to_the_log(worker: Worker, tmp_path: Path) -> None:
    heard: list[str] = []
    assert call(worker, chatter, heard) == "3"
    assert heard == ["adding"]
    assert call(worker, process_id) == call(worker, process_id)
    assert "chatter of a library" in (tmp_path / "log.txt").read_text()


def test_a_workers_collector_leaves_alone_what_all_workers_share(worker: Worker) -> None:
    assert int(call(worker, frozen)) > 100_000


def test_a_recipe_that_this_process_ran_before_leaves_no_folder_to_a_worker(worker: Worker, tmp_path: Path) -> None:
    (tmp_path / "data.py").write_text("def images(): return 1\n")
    load_callable("./data.py:images", tmp_path)
    assert str(tmp_path) in sys.path
    assert str(tmp_path) not in call(worker, module_path).split(":")


@pytest.mark.parametrize(("how", "name"), [(abort, "SIGABRT"), (kill, "SIGKILL")])
def test_a_crash_is_named_and_the_next_stage_runs(worker: Worker, how: Callable[[Report], object], name: str) -> None:
    with pytest.raises(DiedError, match=name):
        call(worker, how)
    assert call(worker, chatter) == "3"


def test_a_worker_that_died_while_it_waited_fails_nobody(worker: Worker) -> None:
    first = int(call(worker, process_id))
    os.kill(first, signal.SIGSTOP)  # it takes nothing up any more
    threading.Timer(0.5, os.kill, (first, signal.SIGKILL)).start()
    assert int(call(worker, process_id)) != first


def test_a_hang_ends_at_the_time_limit(tmp_path: Path) -> None:
    worker = Worker(tmp_path / "log.txt", 20)
    call(worker, chatter)  # the worker is up: the limit below is the stage's own
    worker._timeout_s = 1
    with pytest.raises(LineError, match="not finished after 1 s"):
        call(worker, sleep)
    worker.close()


def test_a_stage_that_eats_memory_is_ended_and_said_why(tmp_path: Path) -> None:
    worker = Worker(tmp_path / "log.txt", 60, lambda worker: "too much" if worker.held_bytes > 500_000_000 else "")
    with pytest.raises(LineError, match=r"took 0\.\d GB of memory, too much"):
        call(worker, eat)
    assert worker.held_bytes == 0
    assert worker.peak_bytes > 500_000_000
    worker.close()


def test_an_idle_worker_gives_its_memory_back_and_can_be_ended(worker: Worker) -> None:
    first = call(worker, hoard)
    time.sleep(0.5)
    worker.look()
    assert worker.held_bytes < 500_000_000
    assert worker.peak_bytes > 900_000_000
    worker.rest()
    assert worker.held_bytes == 0
    assert call(worker, process_id) != first


def test_a_worker_with_a_stage_in_it_does_not_rest(worker: Worker) -> None:
    at_work = threading.Thread(target=call, args=(worker, nap))
    at_work.start()
    while not worker.busy:
        time.sleep(0.01)
    worker.rest()
    at_work.join()
    assert worker.started


def test_an_error_with_a_remedy_arrives_whole_and_a_foreign_one_in_one_line(worker: Worker) -> None:
    with pytest.raises(EdgeshipError) as caught:
        call(worker, refuse)
    assert (str(caught.value), caught.value.hint, caught.value.exit_code) == ("wrong", "do it right", 2)
    with pytest.raises(LineError, match=r"^IndexError: list index out of range$"):
        call(worker, stumble)


def test_a_closed_worker_starts_no_process(tmp_path: Path) -> None:
    worker = Worker(tmp_path / "log.txt", 60)
    worker.close()
    with pytest.raises(LineError, match="stopped before it began"):
        call(worker, process_id)
    assert not worker.started

"""Workers: a converter that crashes, hangs or eats memory fails its own task, and the next one runs."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeship.toolchain.build.worker import Task, Worker
from edgeship.toolchain.errors import EdgeshipError, LineError, RecipeError

Report = Callable[[str, str], None]


def add(a: int, b: int, report: Report) -> int:
    report("progress", "adding")
    print("chatter of a library")
    return a + b


def process_id(report: Report) -> int:
    return os.getpid()


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


def refuse(report: Report) -> None:
    raise RecipeError("wrong", "do it right")


def stumble(report: Report) -> None:
    raise IndexError("list index out of range\nand more")


@pytest.fixture
def worker(tmp_path: Path):  # type: ignore[no-untyped-def]
    made = Worker(tmp_path / "log.txt", 60, None)
    yield made
    made.close()


def call(worker: Worker, function: Callable[..., object], *arguments: object, heard: list[str] | None = None) -> object:
    return worker.call(Task(function, arguments), lambda kind, text: (heard if heard is not None else []).append(text))


def test_a_worker_is_reused_and_its_chatter_goes_to_the_log(worker: Worker, tmp_path: Path) -> None:
    heard: list[str] = []
    assert call(worker, add, 1, 2, heard=heard) == 3
    assert heard == ["adding"]
    assert call(worker, process_id) == call(worker, process_id)
    assert "chatter of a library" in (tmp_path / "log.txt").read_text()


@pytest.mark.parametrize(("how", "name"), [(abort, "SIGABRT"), (kill, "SIGKILL")])
def test_a_crash_is_named_and_the_next_task_runs(worker: Worker, how: Callable[..., object], name: str) -> None:
    with pytest.raises(LineError, match=name):
        call(worker, how)
    assert call(worker, add, 2, 2) == 4


def test_a_hang_ends_at_the_time_limit(tmp_path: Path) -> None:
    worker = Worker(tmp_path / "log.txt", 20, None)
    call(worker, add, 1, 1)  # the worker is up: the limit below is the task's own
    worker._timeout_s = 1
    with pytest.raises(LineError, match="not finished after 1 s"):
        call(worker, sleep)
    worker.close()


def test_a_task_that_eats_memory_ends_at_the_memory_limit(tmp_path: Path) -> None:
    worker = Worker(tmp_path / "log.txt", 60, 1_200_000_000)
    with pytest.raises(LineError, match="of memory, its limit is"):
        call(worker, eat)
    worker.close()


def test_an_error_with_a_remedy_arrives_whole_and_a_foreign_one_in_one_line(worker: Worker) -> None:
    with pytest.raises(EdgeshipError) as caught:
        call(worker, refuse)
    assert (str(caught.value), caught.value.hint, caught.value.exit_code) == ("wrong", "do it right", 2)
    with pytest.raises(LineError, match=r"^IndexError: list index out of range$"):
        call(worker, stumble)


def test_a_closed_worker_starts_no_process(tmp_path: Path) -> None:
    worker = Worker(tmp_path / "log.txt", 60, None)
    worker.close()
    with pytest.raises(LineError, match="stopped before it began"):
        worker.call(Task(os.getpid, ()), lambda kind, text: None)
    assert not worker.started

"""Kills, crashes, full disks and damaged files: what happens to the run, and to the next one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_disks import small_disk
from workplace import Workplace, alive, descendants, recipe_text, register, wait_until

GUEST = Path(__file__).with_name("guest")


@pytest.fixture(scope="module")
def primed(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A place where the plain float file was built before, with hostile targets installed."""
    tmp = tmp_path_factory.mktemp("robustness")
    guest = tmp / "site"
    shutil.copytree(GUEST, guest)
    names = {"aborts": "Aborts", "waits": "Waits", "eats": "Eats", "fails": "Fails"}
    register(guest, targets={name: f"hostile:{kind}" for name, kind in names.items()})
    place = Workplace(tmp / "project", tmp / "cache", {"PYTHONPATH": str(guest), "WAITING": str(tmp / "waiting")})
    done = place.edgeship("run", place.recipe("first.toml", recipe_text("onnx")), "--no-measure")
    assert done.returncode == 0, done.stdout + done.stderr
    return place


def leftovers(place: Workplace) -> list[str]:
    """What lies in the cache besides finished entries."""
    return [path.name for name in ("partial", "scratch") for path in (place.cache / name).iterdir()]


def started_waiting(place: Workplace) -> tuple[subprocess.Popen[str], int]:
    """A run that stands in the middle of a conversion, beside a line that is finished; the worker's pid."""
    marker = Path(place.env["WAITING"])
    marker.unlink(missing_ok=True)
    recipe = place.recipe("waits.toml", recipe_text("onnx", "waits"))
    before = set(place.runs())
    run = place.start("run", recipe, "--no-measure")
    wait_until(lambda: marker.exists() and marker.read_text() != "", "the conversion to begin")

    def verified() -> bool:
        events = [event for folder in set(place.runs()) - before for event in place.events(folder)]
        return any(event["line"] == "tiny-float-onnx" and event["text"] == "pass" for event in events)

    wait_until(verified, "the other line")
    return run, int(marker.read_text())


@pytest.mark.slow
def test_converters_that_crash_hang_or_eat_memory_fail_their_own_line_only(primed: Workplace) -> None:
    hangs = primed.recipe("hangs.toml", recipe_text("waits", build="timeout_s = 15"))
    beside = primed.start("run", hangs, "--no-measure", "--json")  # meanwhile the others
    recipe = primed.recipe("bad.toml", recipe_text("onnx", "aborts", "eats", "fails", build="memory_gb = 1.5"))
    reports = [primed.json("run", recipe, "--no-measure", code=1), json.loads(beside.communicate()[0])]
    lines = {line["target"]: line for report in reports for line in report["lines"]}
    assert beside.returncode == 1
    assert lines.pop("onnx")["verdict"] == "pass"
    assert {line["status"] for line in lines.values()} == {"failed"}
    assert "SIGABRT" in lines["aborts"]["reason"]
    assert "not finished after 15 s" in lines["waits"]["reason"]
    assert "the build may take 1.5 GB" in lines["eats"]["reason"]
    assert "KeyError" in lines["fails"]["reason"]
    for line in lines.values():
        assert line["hint"]
    assert primed.edgeship("run", "first.toml", "--no-measure").returncode == 0
    assert leftovers(primed) == []  # each run clears away what dead workers left


@pytest.mark.slow
def test_a_killed_worker_fails_its_line_and_failures_are_not_remembered(primed: Workplace) -> None:
    run, worker = started_waiting(primed)
    os.kill(worker, signal.SIGKILL)
    out, err = run.communicate(timeout=120)
    assert run.returncode == 1, out + err
    assert "SIGKILL: out of memory?" in out
    again, worker = started_waiting(primed)  # it is tried again, not answered from the cache
    os.kill(worker, signal.SIGKILL)
    assert again.wait(120) == 1


def test_after_kill_9_nothing_is_left_running_and_the_next_run_reuses_what_was_finished(primed: Workplace) -> None:
    run, _ = started_waiting(primed)
    family = descendants(run.pid)
    assert family
    run.kill()
    run.communicate(timeout=60)
    wait_until(lambda: not alive(family), "the workers to notice", 60)
    killed = primed.runs()[-1]
    assert not (killed / "report.json").exists()
    done = primed.edgeship("run", "first.toml", "--no-measure")
    assert done.returncode == 0, done.stdout + done.stderr
    assert leftovers(primed) == []
    newest = primed.runs()[-1]
    assert not [event for event in primed.events(newest) if event["text"] == "converting"]
    shutil.rmtree(newest)
    shown = primed.edgeship("report", "runs")
    assert str(killed) not in shown.stdout


def test_ctrl_c_ends_everything_and_says_what_is_kept(primed: Workplace) -> None:
    run, _ = started_waiting(primed)
    family = descendants(run.pid)
    os.killpg(run.pid, signal.SIGINT)  # a terminal sends it to the whole group
    out, err = primed.ended(run, 60)
    assert run.returncode == 130, out + err
    assert "Traceback" not in out + err
    assert err.strip().splitlines()[-2:] == [
        "error: stopped",
        " hint: what was finished is kept: run again to go on from there",
    ]
    wait_until(lambda: not alive(family), "the workers to end", 30)
    assert not (primed.runs()[-1] / "report.json").exists()
    assert primed.edgeship("run", "first.toml", "--no-measure").returncode == 0
    assert leftovers(primed) == []


@pytest.mark.slow
def test_two_runs_at_once_on_one_cache_both_succeed(primed: Workplace, tmp_path: Path) -> None:
    recipe = primed.recipe("both.toml", recipe_text("onnx", "torchscript"))
    cache = tmp_path / "cache"
    place = Workplace(primed.folder, cache)
    runs = [place.start("run", recipe, "--no-measure", "--runs", tmp_path / "runs") for _ in range(2)]
    for run in runs:
        out, err = run.communicate(timeout=500)
        assert run.returncode == 0, out + err
    folders = list((tmp_path / "runs").iterdir())
    assert len(folders) == 2
    events = [event for folder in folders for event in place.events(folder)]
    converted = [event["line"] for event in events if event["text"] == "converting"]
    assert sorted(converted) == ["tiny-float-onnx", "tiny-float-torchscript"]  # each by one of the two
    assert leftovers(place) == []


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 kB."""
    with small_disk(tmp_path / "small", "400k") as folder:
        yield folder


@pytest.mark.slow
def test_a_full_disk_is_one_clear_error_and_with_room_the_next_run_works(primed: Workplace, disk: Path) -> None:
    place = Workplace(primed.folder, disk / "cache")
    filler = disk / "filler"
    filler.write_bytes(b"x" * 330_000)
    recipe = primed.recipe("first.toml", recipe_text("onnx"))
    done = place.edgeship("run", recipe, "--no-measure")
    assert done.returncode in (1, 4), done.stdout + done.stderr
    assert f"no room left on {disk}" in done.stdout + done.stderr
    filler.unlink()
    assert list((place.cache / "partial").glob("*")) == []
    again = place.edgeship("run", recipe, "--no-measure")
    assert again.returncode == 0, again.stdout + again.stderr


@pytest.fixture
def read_only_cache(primed: Workplace, tmp_path: Path) -> Iterator[Path]:
    """The primed cache where nothing can be written."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    bind = ["mount", "--bind", str(primed.cache), str(folder)]
    if sys.platform != "linux" or subprocess.run(bind, capture_output=True).returncode:
        pytest.skip("mounting needs Linux and root")
    subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_complete_cache_on_a_read_only_disk_serves_a_run_and_an_incomplete_one_says_what_to_do(
    primed: Workplace, read_only_cache: Path
) -> None:
    place = Workplace(primed.folder, read_only_cache)
    first = place.recipe("first.toml", recipe_text("onnx"))
    assert [line["status"] for line in place.json("run", first, "--no-measure")["lines"]] == ["ok"]
    other = place.recipe("other.toml", recipe_text("torchscript"))
    (line,) = place.json("run", other, "--no-measure", code=1)["lines"]
    assert f"{read_only_cache} is read-only" in line["reason"]
    assert "EDGESHIP_CACHE" in line["hint"]


def test_an_unchanged_run_imports_no_torch(primed: Workplace) -> None:
    place = Workplace(primed.folder, primed.cache, {"PYTHONPROFILEIMPORTTIME": "1"})
    done = place.edgeship("run", place.recipe("first.toml", recipe_text("onnx")), "--no-measure")
    assert done.returncode == 0
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "edgeship.toolchain.build.builder" in imported
    assert not {"torch", "onnx", "onnxruntime"} & imported


@pytest.mark.slow
def test_the_size_limit_of_the_cache_is_kept(primed: Workplace, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    shutil.copytree(primed.cache, cache)
    place = Workplace(primed.folder, cache, {"EDGESHIP_CACHE_LIMIT_GB": "0.00005"})
    held = sum(kind["size_bytes"] for kind in place.json("cache")["kinds"].values())
    assert held > 50_000
    assert place.json("cache")["limit_bytes"] == 50_000
    assert place.edgeship("run", "first.toml", "--no-measure").returncode == 0
    wrong = Workplace(primed.folder, cache, {"EDGESHIP_CACHE_LIMIT_GB": "much"}).edgeship("cache")
    assert wrong.returncode == 2
    assert "EDGESHIP_CACHE_LIMIT_GB=much" in wrong.stderr


@pytest.mark.slow
def test_damaged_cache_entries_are_built_again(primed: Workplace, tmp_path: Path) -> None:
    """Every file of every entry cut in half: nothing of it is believed."""
    cache = tmp_path / "cache"
    shutil.copytree(primed.cache, cache)
    for file in (cache / "entries").rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    report = Workplace(primed.folder, cache).json("run", "first.toml", "--no-measure")
    assert [line["verdict"] for line in report["lines"]] == ["pass"]


@pytest.mark.slow
def test_damaged_models_are_named_and_refused(primed: Workplace) -> None:
    weights = primed.folder / "cut.safetensors"
    weights.write_bytes(b"\x40\x00\x00\x00\x00\x00\x00\x00{" + b" " * 20)
    program = primed.folder / "cut.pt2"
    program.write_bytes(b"PK\x03\x04" + bytes(100))
    base = recipe_text("onnx")
    for damaged, text in (
        (weights, base.replace('build"', 'build"\nweights = "cut.safetensors"')),
        (program, base.replace('factory = "./model.py:build"', 'program = "cut.pt2"')),
    ):
        report = primed.json("run", primed.recipe("damaged.toml", text), "--no-measure", code=2)
        line = report["lines"][0]
        assert line["status"] == "failed"
        assert damaged.name in line["reason"], line
        assert line["hint"]


def test_a_run_folder_that_cannot_be_made_is_one_error(primed: Workplace) -> None:
    (primed.folder / "file").write_text("")
    done = primed.edgeship("run", "first.toml", "--runs", "file/runs")
    assert done.returncode == 4
    assert "file/runs" in done.stderr
    assert json.loads((primed.runs()[0] / "report.json").read_text())["schema"] == "edgeship-report/2"

"""The store: atomic, checked on reading, shared by processes, limited in size."""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import pytest

from edgeship.toolchain.build.store import Entry, Record, Store, key_of
from edgeship.toolchain.build.tidying import tidy
from edgeship.toolchain.errors import LineError


class Named(Record):
    kind: ClassVar[str] = "named"

    name: str


class Other(Record):
    kind: ClassVar[str] = "other"


def put(store: Store, name: str, content: bytes = b"content") -> Entry[Named]:
    def make(folder: Path) -> Named:
        (folder / "file").write_bytes(content)
        return Named(name=name)

    return store.once(key_of(name), Named, make)


def test_what_was_committed_is_read_back(tmp_path: Path) -> None:
    store = Store(tmp_path)
    put(store, "a")
    entry = Store(tmp_path).get(key_of("a"), Named)
    assert entry is not None
    assert (entry.folder / "file").read_bytes() == b"content"
    assert entry.record == Named(name="a")


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    put(store, "a")
    assert store.once(key_of("a"), Named, lambda folder: pytest.fail("made again")).record.name == "a"


def test_an_entry_of_another_kind_is_not_believed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    put(store, "a")
    assert store.get(key_of("a"), Other) is None


def test_equal_files_have_equal_content_digests_under_different_keys(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert put(store, "a").content == put(store, "b").content != put(store, "c", b"other").content


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove", "entry"])
def test_a_damaged_entry_is_gone_and_can_be_built_again(tmp_path: Path, damage: str) -> None:
    store = Store(tmp_path)
    entry = put(store, "a")
    file = entry.folder / "file"
    if damage == "truncate":
        file.write_bytes(b"cont")
    elif damage == "flip":
        file.write_bytes(b"c0ntent")
    elif damage == "remove":
        file.unlink()
    else:
        (entry.folder / "entry.json").write_text("{")
    assert store.get(entry.key, Named) is None
    put(store, "a")
    assert store.get(entry.key, Named) is not None


def test_an_interrupted_build_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def stop(folder: Path) -> Named:
        (folder / "half").write_text("written")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.once("key", Named, stop)
    assert not [path for path in (tmp_path / "partial").iterdir() if path.is_dir()]
    assert store.entries() == []


def _die(folder: Path) -> Named:
    (folder / "half").write_text("written")
    os._exit(1)


def _die_while_building(root: str) -> None:
    Store(Path(root)).once("key", Named, _die)


def test_what_a_killed_process_left_is_tidied_away_and_a_living_one_is_left_alone(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_die_while_building, args=(str(tmp_path),))
    process.start()
    process.join()
    store = Store(tmp_path)
    partial = tmp_path / "partial"
    assert [path for path in partial.iterdir() if path.is_dir()]

    def tidy_meanwhile(living: Path) -> Named:
        tidy(store)
        assert [path for path in partial.iterdir() if path.is_dir()] == [living]
        return Named(name="other")

    store.once("other", Named, tidy_meanwhile)


def mounted(folder: Path, *options: str) -> None:
    command = ["mount", "-t", "tmpfs", *options, "tmpfs", str(folder)]
    if sys.platform != "linux" or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a file system needs Linux and root")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted(folder, "-o", "size=400k")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_read_only_cache_serves_what_it_holds_and_says_what_it_cannot(small_disk: Path) -> None:
    put(Store(small_disk), "a")
    (small_disk / "file").write_text("weights")
    mounted(small_disk, "-o", "remount,ro")
    store = Store(small_disk)
    assert put(store, "a").record.name == "a"
    assert tidy(store) == 0
    assert store.file_digest(small_disk / "file")
    with pytest.raises(LineError, match="is read-only and does not hold this yet"):
        put(store, "b")


def test_a_full_disk_is_named_whatever_the_library_says_that_wrote(small_disk: Path) -> None:
    store = Store(small_disk)

    def fill(folder: Path) -> Named:
        with suppress(OSError), (folder / "model.pt2").open("wb", buffering=0) as stream:
            while True:
                stream.write(bytes(4096))
        raise RuntimeError("inline_container.cc:664: unexpected pos 128 vs 22")  # all that torch says

    with pytest.raises(LineError, match=rf"no room left on {small_disk}, .*unexpected pos") as caught:
        store.once("key", Named, fill)
    assert "free room there" in caught.value.hint
    assert put(store, "a").record.name == "a"  # nothing of it is left


def test_over_its_limit_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    store = Store(tmp_path)
    entries = [put(store, name, bytes([i]) * 1000) for i, name in enumerate("abc")]
    for age, entry in zip((30, 10, 20), entries, strict=True):
        os.utime(entry.folder / "entry.json", (1_000_000 - age, 1_000_000 - age))
    total = sum(entry.size_bytes for entry in store.entries())
    tidy(Store(tmp_path, limit_bytes=total - 1))
    assert [entry.key for entry in store.entries()] == [key_of("c"), key_of("b")]


def test_a_fact_survives_and_a_broken_one_is_unknown(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.note("key", ["a", 1])
    assert Store(tmp_path).fact("key") == ["a", 1]
    (tmp_path / "facts" / "key.json").write_text("[")
    assert store.fact("key") is None


def test_a_file_digest_follows_the_file(tmp_path: Path) -> None:
    store, file = Store(tmp_path / "store"), tmp_path / "file"
    file.write_text("one")
    first = store.file_digest(file)
    assert store.file_digest(file) == first
    file.write_text("other")
    assert store.file_digest(file) != first


def _commit_many(root: str, results: "multiprocessing.queues.Queue[int]") -> None:
    made = 0

    def make(folder: Path) -> Named:
        nonlocal made
        made += 1
        return Named(name="many")

    for index in range(20):
        Store(Path(root)).once(key_of(index), Named, make)
    results.put(made)


def test_two_processes_on_one_store_build_each_key_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    workers = [context.Process(target=_commit_many, args=(str(tmp_path), results)) for _ in range(2)]
    for worker in workers:
        worker.start()
    made = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    assert sum(made) == 20
    assert len(Store(tmp_path).entries()) == 20

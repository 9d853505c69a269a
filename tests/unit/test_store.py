"""The store: atomic, checked on reading, shared by processes, limited in size."""

import multiprocessing
from pathlib import Path

import pytest

from edgeship.toolchain.build.store import Entry, Store, key_of


def put(store: Store, name: str, content: bytes = b"content") -> Entry:
    key = key_of(name)
    with store.building(key) as folder:
        (folder / "file").write_bytes(content)
        return store.commit(key, folder, "program", {"name": name})


def test_what_was_committed_is_read_back(tmp_path: Path) -> None:
    store = Store(tmp_path)
    put(store, "a")
    entry = Store(tmp_path).get(key_of("a"))
    assert entry is not None
    assert (entry.folder / "file").read_bytes() == b"content"
    assert entry.meta == {"name": "a"}


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
    assert store.get(entry.key) is None
    put(store, "a")
    assert store.get(entry.key) is not None


def test_an_interrupted_build_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    building = store.building("key")
    (building.__enter__() / "half").write_text("written")
    assert building.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None) is not True
    assert not [path for path in (tmp_path / "partial").iterdir() if path.is_dir()]
    assert store.entries() == []


def _die_while_building(root: str) -> None:
    import os

    with Store(Path(root)).building("key") as folder:
        (folder / "half").write_text("written")
        os._exit(1)


def test_what_a_killed_process_left_is_tidied_away_and_a_living_one_is_left_alone(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_die_while_building, args=(str(tmp_path),))
    process.start()
    process.join()
    store = Store(tmp_path)
    with store.building("other") as living:
        store.tidy()
        assert [path for path in (tmp_path / "partial").iterdir() if path.is_dir()] == [living]


def test_over_its_limit_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    import os

    store = Store(tmp_path)
    entries = [put(store, name, bytes([i]) * 1000) for i, name in enumerate("abc")]
    for age, entry in zip((30, 10, 20), entries, strict=True):
        os.utime(entry.folder / "entry.json", (1_000_000 - age, 1_000_000 - age))
    total = sum(entry.size_bytes for entry in store.entries())
    Store(tmp_path, limit_bytes=total - 1).tidy()
    assert [entry.meta["name"] for entry in store.entries()] == ["c", "b"]


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
    store = Store(Path(root))
    made = 0
    for index in range(20):
        key = key_of(index)
        with store.lock(key):
            if store.get(key) is None:
                put(store, index)  # type: ignore[arg-type]
                made += 1
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

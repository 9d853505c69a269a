"""Slots on a device: versions, tries that do not end well, and what is written (cuts: test_board_cuts.py)."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from bundles import NOW, Sound, ring

from edgeship.apps.board import trust
from edgeship.apps.board.failure import BusyError, FailedError
from edgeship.apps.board.refusal import Refused
from edgeship.apps.board.slots import Slots
from edgeship.apps.board.verify import Device, installed, verify
from edgeship.toolchain.bundle.keys import Keys, rotate

DEVICE = Device(NOW, compatible="digits")


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return ring(tmp_path / "keys")


@pytest.fixture
def root(keys: Keys) -> trust.Root:
    return trust.anchor(keys.roots[0].read_bytes())


@pytest.fixture
def store(tmp_path: Path, keys: Keys, root: trust.Root) -> Slots:
    """With version 5, found good."""
    slots = Slots(tmp_path / "device" / "store")
    slots.install(Sound.make(keys, 5).write(tmp_path / "five"), root, DEVICE)
    slots.start()
    slots.found_good()
    return slots


def _used(slots: Slots, root: trust.Root) -> int:
    """The version that a device uses after a restart, which must verify."""
    place = slots.start()
    assert place is not None
    version = verify(place, root, DEVICE).manifest["version"]
    assert isinstance(version, int)
    return version


def test_an_update_is_tried_once_and_kept_when_it_is_good(
    store: Slots, keys: Keys, root: trust.Root, tmp_path: Path
) -> None:
    store.install(Sound.make(keys, 6).write(tmp_path / "six"), root, DEVICE)
    assert _used(store, root) == 6
    assert _used(store, root) == 5  # it was loaded, and nothing was heard of it
    store.install(tmp_path / "six", root, DEVICE)
    assert _used(store, root) == 6
    store.found_good()
    assert [_used(store, root) for _ in range(3)] == [6, 6, 6]


def test_nothing_older_is_installed_and_a_refused_bundle_changes_nothing(
    store: Slots, keys: Keys, root: trust.Root, tmp_path: Path
) -> None:
    with pytest.raises(Refused) as refused:
        store.install(Sound.make(keys, 4).write(tmp_path / "four"), root, DEVICE)
    assert refused.value.reason == "downgrade"
    assert _used(store, root) == 5


def test_a_first_bundle_that_never_answers_is_given_up(tmp_path: Path, keys: Keys, root: trust.Root) -> None:
    slots = Slots(tmp_path / "store")
    assert slots.start() is None
    slots.install(Sound.make(keys).write(tmp_path / "bundle"), root, DEVICE)
    assert slots.start() is not None
    assert slots.start() is None
    assert slots.state is not None
    assert slots.state.given_up == 5
    slots.install(tmp_path / "bundle", root, DEVICE)
    assert slots.start() is not None


def test_only_what_was_loaded_is_found_good_and_what_was_never_loaded_makes_way(
    store: Slots, keys: Keys, root: trust.Root, tmp_path: Path
) -> None:
    store.install(Sound.make(keys, 6).write(tmp_path / "six"), root, DEVICE)
    assert not store.found_good()  # said of 5, which is still running
    store.install(Sound.make(keys, 7).write(tmp_path / "seven"), root, DEVICE)
    assert [_used(store, root) for _ in range(2)] == [7, 5]
    store.install(tmp_path / "seven", root, DEVICE)
    assert _used(store, root) == 7
    with pytest.raises(BusyError):  # its files are in use
        store.install(tmp_path / "seven", root, DEVICE)
    assert store.found_good()


def test_a_revoked_key_stays_revoked_whatever_a_bundle_leaves_out(
    store: Slots, keys: Keys, root: trust.Root, tmp_path: Path
) -> None:
    old = Sound.make(keys, 9).write(tmp_path / "nine")
    rotate(keys, "bundle")
    store.install(Sound.make(keys, 8).write(tmp_path / "eight"), root, DEVICE)
    with pytest.raises(Refused) as refused:
        store.install(old, root, DEVICE)
    assert refused.value.reason == "key-revoked"


def test_a_file_that_rotted_in_the_slot_in_use_does_not_stop_an_update(
    store: Slots, keys: Keys, root: trust.Root, tmp_path: Path
) -> None:
    six = Sound.make(keys, 6)
    rotten = store.folder / "a" / sorted(six.files)[0]
    rotten.write_bytes(bytes(rotten.stat().st_size))
    store.install(six.write(tmp_path / "six"), root, DEVICE)
    assert _used(store, root) == 6


def test_what_the_other_slot_has_is_not_written_again(
    store: Slots, keys: Keys, root: trust.Root, tmp_path: Path
) -> None:
    six = Sound.make(keys, 6).with_file("licences/more.txt", b"more" * 1000)
    store.install(six.write(tmp_path / "six"), root, DEVICE)
    links = {name: (store.folder / "b" / name).stat().st_nlink for name in six.files}
    assert sorted(links.values()) == [1, 2, 2, 2, 2]


def test_a_full_disk_leaves_the_slot_in_use(
    store: Slots, keys: Keys, root: trust.Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Sound.make(keys, 6).write(tmp_path / "six")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            store.install(bundle, root, DEVICE)
    assert _used(store, root) == 5


def test_a_bundle_that_another_one_answered_for_on_a_full_disk_is_not_found_good(
    store: Slots, keys: Keys, root: trust.Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    store.install(Sound.make(keys, 6).write(tmp_path / "six"), root, DEVICE)
    assert _used(store, root) == 6  # it is tried, and the process dies
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        assert _used(store, root) == 5
    assert not store.found_good()  # said of 5, when there is room again
    assert [_used(store, root) for _ in range(2)] == [5, 5]


def test_a_try_that_was_none_is_not_used_up(store: Slots, keys: Keys, root: trust.Root, tmp_path: Path) -> None:
    store.install(Sound.make(keys, 6).write(tmp_path / "six"), root, DEVICE)
    assert _used(store, root) == 6
    store.untried()
    assert _used(store, root) == 6
    assert store.found_good()


def test_a_state_that_cannot_be_read_says_what_to_do(store: Slots) -> None:
    (store.folder / "state.json").write_text("{")
    with pytest.raises(FailedError, match="remove the folder, and install again") as failed:
        store.start()
    assert failed.value.reason == "state"


def test_a_kept_root_that_rotted_makes_way_for_the_devices_own(
    store: Slots, keys: Keys, root: trust.Root, tmp_path: Path
) -> None:
    (store.folder / "root.json").write_text("{")
    store.install(Sound.make(keys, 6).write(tmp_path / "six"), root, DEVICE)
    assert _used(store, root) == 6


def test_what_is_installed_is_usable_after_its_expiry_and_its_keys_end(store: Slots, keys: Keys) -> None:
    rotate(keys, "bundle")
    slot = store.start()
    assert slot is not None
    assert installed(slot, Device("2999-01-01T00:00:00Z")).manifest["version"] == 5
    rotten = next((slot / "files").iterdir())
    rotten.write_bytes(bytes(rotten.stat().st_size))
    with pytest.raises(Refused) as refused:
        installed(slot, DEVICE)
    assert refused.value.reason == "file-digest"


def test_the_boards_command_line_installs_starts_and_confirms(keys: Keys, tmp_path: Path) -> None:
    import json

    store, bundle = tmp_path / "store", Sound.make(keys, 6).write(tmp_path / "six.zip")

    def board(*arguments: object) -> tuple[int, dict[str, object]]:
        command = [sys.executable, "-m", "edgeship.apps.board", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.returncode, json.loads(done.stdout)

    root = ("--root", keys.roots[0], "--now", NOW)
    assert board("start", "--store", store) == (0, {"bundle": None})
    code, said = board("install", bundle, *root, "--store", store, "--runtime", "litert=2.1")
    assert (code, said["reason"]) == (1, "runtime-missing")
    artifacts = ["int8-onnx", "int8-executorch"]
    assert board("install", bundle, *root, "--store", store) == (0, {"version": 6, "artifacts": artifacts})
    assert board("start", "--store", store) == (0, {"bundle": str(store / "a")})
    assert board("good", "--store", store) == (0, {"good": True})
    assert board("start", "--store", store) == (0, {"bundle": str(store / "a")})


def test_what_is_not_installed_on_a_board_is_named(keys: Keys, tmp_path: Path) -> None:
    import json

    (tmp_path / "httpx.py").write_text("raise ModuleNotFoundError(name='httpx')")
    command = [sys.executable, "-m", "edgeship.apps.board", "update", "http://127.0.0.1:9"]
    words = [*command, "--root", str(keys.roots[0]), "--store", str(tmp_path / "store")]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    said = {"reason": "missing", "said": "httpx is not installed: pip install httpx"}
    assert (done.returncode, json.loads(done.stdout)) == (1, said)

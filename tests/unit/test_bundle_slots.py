"""Slots on a device: updates that are cut short at any moment, versions, and tries that do not end well."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bundles import NOW, Sound, ring

from edgeship.apps.board import trust
from edgeship.apps.board.refusal import Refused
from edgeship.apps.board.slots import BusyError, Slots
from edgeship.apps.board.verify import Device, verify
from edgeship.toolchain.bundle.keys import Keys, rotate

DEVICE = Device(NOW, compatible="digits")
INSTALLER = """
import builtins, os, signal, sys
from pathlib import Path
left = int(sys.argv[4])
def counted(call):
    def wrapped(*arguments, **options):
        global left
        done = call(*arguments, **options)
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return done
    return wrapped
for name in ("fsync", "link", "mkdir", "open", "replace", "unlink", "rmdir"):
    setattr(os, name, counted(getattr(os, name)))
import edgeship.apps.board.slots as slots
from edgeship.apps.board import trust
from edgeship.apps.board.verify import Device
store, bundle, root, now = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[5]
slots.Slots(store).install(bundle, trust.anchor(root.read_bytes()), Device(now, compatible="digits"))
slots.Slots(store).start()
print("installed")
"""
"""Dies by SIGKILL after so many system calls that change something on the disk."""


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


def _cuts(store: Slots, bundle: Path, root: Path) -> Iterator[bool]:
    """An update, killed after the first change on the disk, after the second, …; whether it came to its end."""
    for number in range(1, 200):
        command = [sys.executable, "-c", INSTALLER, str(store.folder), str(bundle), str(root), str(number), NOW]
        yield "installed" in subprocess.run(command, capture_output=True, text=True).stdout


def test_killed_after_any_change_on_the_disk_a_device_has_a_working_slot(
    store: Slots, keys: Keys, root: trust.Root, tmp_path: Path
) -> None:
    bundle = Sound.make(keys, 6).write(tmp_path / "six")
    versions = []
    for ended in _cuts(store, bundle, keys.roots[0]):
        if ended:
            break
        versions.append(_used(store, root))
    assert ended
    assert len(versions) > 20
    print(f"{len(versions)}/{len(versions)} end in a working slot")
    assert set(versions) <= {5, 6}
    assert versions[0] == 5


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

"""Updates that are cut short: killed or without power after each change on the disk, or on a disk that is full."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bundles import NOW, Sound, ring
from small_disks import small_disk
from update_servers import Habits, serving

from edgeship.apps.board import delta, trust, updates
from edgeship.apps.board.download import connected
from edgeship.apps.board.failure import FailedError
from edgeship.apps.board.slots import Slots
from edgeship.apps.board.verify import Device, verify
from edgeship.toolchain.bundle import publish as publishing
from edgeship.toolchain.bundle.keys import Keys

DEVICE = Device(NOW, compatible="digits")
CUTS = Path(__file__).parent.parent / "cuts.py"
FEW = 17
"""The default tier cuts after every so many changes."""


@dataclass
class Scene:
    """A device with version 5, found good; a site, and a bundle, with version 6."""

    keys: Keys
    root: trust.Root
    slots: Slots
    site: Path
    bundle: Path


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Of version 6 one file comes whole, in more than one part, and one as a delta of several frames."""
    folder = tmp_path_factory.mktemp("scene")
    keys = ring(folder / "keys")
    root = trust.anchor(keys.roots[0].read_bytes())
    old = random.Random(0).randbytes(100_000)
    new, whole = old[:50_000] + b"new" * 100 + old[50_000:], random.Random(1).randbytes(1_200_000)
    bundles = {
        5: Sound.make(keys, 5).with_file("licences/changed", old).write(folder / "five"),
        6: Sound.make(keys, 6)
        .with_file("licences/changed", new)
        .with_file("licences/new", whole)
        .write(folder / "six"),
    }
    for bundle in bundles.values():
        publishing.publish(verify(bundle, root, DEVICE), folder / "site", keep=1)
    (made,) = (folder / "site" / "deltas").iterdir()
    made.write_bytes(publishing.make_delta(old, new, frame_bytes=30_000))
    slots = Slots(folder / "store")
    slots.install(bundles[5], root, DEVICE)
    slots.start()
    slots.found_good()
    return Scene(keys, root, slots, folder / "site", bundles[6])


def _cuts(scene: Scene, folder: Path, step: int, power: bool, **source: str) -> list[dict[str, Any]]:
    job = folder / "job.json"
    about = {"store": str(scene.slots.folder), "root": str(scene.keys.roots[0]), "now": NOW}
    job.write_text(json.dumps({**about, **source, "step": step, "power": power}))
    done = subprocess.run([sys.executable, str(CUTS), str(job)], capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def _check(cuts: list[dict[str, Any]], least: int) -> None:
    good = [cut for cut in cuts if cut["used"] in (5, 6) and cut["then"] in (5, 6)]
    print(f"{len(good)}/{len(cuts)} end in a working slot")
    assert good == cuts
    assert len(cuts) >= least
    assert cuts[0]["used"] == 5
    # after a cut the same update comes to its end
    assert all(cut["then"] == 6 for cut in cuts if cut["used"] == 5)


ALL = pytest.mark.slow
WAYS = [  # without power what was not synced is lost, too
    pytest.param(FEW, True, id="some, without power"),
    pytest.param(1, False, id="killed", marks=ALL),
    pytest.param(1, True, id="without power", marks=ALL),
]


@pytest.mark.parametrize(("step", "power"), WAYS)
def test_an_update_cut_short_after_any_change_leaves_a_working_slot_and_goes_on(
    scene: Scene, tmp_path: Path, step: int, power: bool
) -> None:
    with serving(scene.site) as site:
        cuts = _cuts(scene, tmp_path, step, power, url=site.url)
    _check(cuts, 90 // step)
    _check_received([cut["received"] for cut in cuts], all_cuts=step == 1)


@pytest.mark.parametrize(("step", "power"), WAYS)
def test_an_installation_cut_short_after_any_change_leaves_a_working_slot(
    scene: Scene, tmp_path: Path, step: int, power: bool
) -> None:
    _check(_cuts(scene, tmp_path, step, power, bundle=str(scene.bundle)), 40 // step)


def _used(slots: Slots, root: trust.Root) -> int:
    """The version that a device uses after a restart, which must verify."""
    place = slots.start()
    assert place is not None
    return int(verify(place, root, DEVICE).manifest["version"])


def _fill(file: Path) -> None:
    """The whole disk."""
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(4096))


def _check_received(received: list[int], all_cuts: bool) -> None:
    """First all of the large file, then, once a megabyte is on the disk, its rest, then nothing but the manifest.

    Where one ends and the next begins depends on how the network cut the bytes.
    """
    stages = ["all" if count > 1_200_000 else "rest" if count > 50_000 else "none" for count in received]
    assert (stages[0], stages[-1]) == ("all", "none")
    assert not all_cuts or stages.count("rest") > 1


def _on(disk: Path, scene: Scene) -> Slots:
    """The device, on another disk."""
    slots = Slots(disk / "store")
    slots.install(scene.site.parent / "five", scene.root, DEVICE)
    slots.start()
    slots.found_good()
    return slots


def test_on_a_disk_that_fills_up_at_any_file_the_device_uses_what_it_had(scene: Scene, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "4M") as disk:
        slots = _on(disk, scene)
        filler = disk / "filler"

        folders = ("manifest", "deltas/", "files/")
        for folder in folders:
            habits = Habits(on_body=lambda path, folder=folder: _fill(filler) if path.startswith(folder) else None)  # type: ignore[misc]
            with serving(scene.site, habits) as site, connected(site.url, None, print, 0) as server:
                with pytest.raises((OSError, FailedError), match=r"No space left|are free"):
                    updates.update(server, slots, scene.root, DEVICE, delta.library())
                assert _used(slots, scene.root) == 5
                filler.unlink()
        print(f"{len(folders)}/{len(folders)} end in a working slot")
        with serving(scene.site) as site, connected(site.url, None, print, 0) as server:
            updates.update(server, slots, scene.root, DEVICE, delta.library())
        assert _used(slots, scene.root) == 6


def test_what_does_not_fit_on_the_disk_is_not_begun(scene: Scene, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1M") as disk:
        slots = _on(disk, scene)
        with serving(scene.site) as site, connected(site.url, None, print, 0) as server:
            with pytest.raises(FailedError) as failed:
                updates.update(server, slots, scene.root, DEVICE, delta.library())
            assert failed.value.reason == "room"
            assert not [path for method, path in site.asked if method == "GET" and path.startswith("files/")]


def test_on_a_full_disk_nothing_is_tried(scene: Scene, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "4M") as disk:
        slots = _on(disk, scene)
        slots.install(scene.bundle, scene.root, DEVICE)
        filler = disk / "filler"
        _fill(filler)
        assert slots.start() == slots.folder / "a"
        filler.unlink()
        assert slots.start() == slots.folder / "b"

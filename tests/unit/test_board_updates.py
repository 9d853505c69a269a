"""Updates from a static server: what is fetched, what is not, and servers that do not do as they should."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from bundles import NOW, Sound, ring
from update_servers import Habits, Site, serving

from edgeship.apps.board import delta, trust
from edgeship.apps.board.delta import Library
from edgeship.apps.board.download import connected
from edgeship.apps.board.failure import BusyError, FailedError
from edgeship.apps.board.refusal import Refused
from edgeship.apps.board.slots import Slots
from edgeship.apps.board.updates import Updated, update
from edgeship.apps.board.verify import ENVELOPE, Device, digests, verify
from edgeship.toolchain.bundle import publish as publishing
from edgeship.toolchain.bundle.keys import Keys, rotate

DEVICE = Device(NOW, compatible="digits")
OLD = random.Random(0).randbytes(300_000)
CHANGED = OLD[:1000] + random.Random(2).randbytes(150_000) + OLD[1000:]
ZSTD = delta.library()
DELTA = 151_000
"""Bytes, at most."""
NEW = random.Random(1).randbytes(400_000)


@dataclass
class Scene:
    """A device with version 5, found good, and a folder that was published to."""

    keys: Keys
    root: trust.Root
    slots: Slots
    site: Path

    def publish(self, sound: Sound) -> Path:
        """A bundle of these keys, into the folder; where it lies."""
        place = sound.write(self.site.parent / f"bundle-{sound.manifest['version']}")
        first = trust.anchor(self.keys.roots[0].read_bytes())
        publishing.publish(verify(place, first, DEVICE), self.site, keep=3)
        return place

    def update(
        self,
        site: Site,
        budget: int | None = None,
        device: Device = DEVICE,
        zstd: Library | None = ZSTD,
        again: bool = False,
    ) -> Updated:
        """As a board does, without pauses."""
        with connected(site.url, budget, print, pause_s=0) as server:
            return update(server, self.slots, self.root, device, zstd, again)

    def used(self) -> int:
        """The version that the device uses after a restart, which must verify."""
        place = self.slots.start()
        assert place is not None
        return int(verify(place, self.root, DEVICE).manifest["version"])


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    keys = ring(tmp_path / "keys")
    root = trust.anchor(keys.roots[0].read_bytes())
    scene = Scene(keys, root, Slots(tmp_path / "store"), tmp_path / "site")
    scene.slots.install(scene.publish(Sound.make(keys, 5).with_file("licences/changed", OLD)), root, DEVICE)
    scene.slots.start()
    scene.slots.found_good()
    return scene


@pytest.fixture
def six(scene: Scene) -> Sound:
    """Version 6: one file has changed, one is new."""
    sound = Sound.make(scene.keys, 6).with_file("licences/changed", CHANGED).with_file("licences/new", NEW)
    scene.publish(sound)
    return sound


def _fetched(site: Site, folder: str) -> list[str]:
    return [path for method, path in site.asked if method == "GET" and path.startswith(folder)]


def test_only_what_changed_is_fetched_and_as_a_delta_where_there_is_one(scene: Scene, six: Sound) -> None:
    with serving(scene.site) as site:
        updated = scene.update(site)
        assert (updated.whole, updated.deltas) == (1, 1)
        assert len(_fetched(site, "files/")) == len(_fetched(site, "deltas/")) == 1
        assert site.sent < len(NEW) + DELTA + 10_000
    assert scene.used() == 6


def test_without_zstd_files_are_fetched_whole(scene: Scene, six: Sound) -> None:
    with serving(scene.site) as site:
        updated = scene.update(site, zstd=None)
        assert (updated.whole, updated.deltas) == (2, 0)
        assert not [path for _, path in site.asked if path.startswith("deltas/")]
    assert scene.used() == 6


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.write_bytes(publishing.make_delta(OLD, b"x" + CHANGED[1:])),
        lambda file: file.write_bytes(publishing.make_delta(OLD, CHANGED * 2)),
        lambda file: file.write_bytes(publishing.make_delta(OLD, CHANGED[:1000])),
        lambda file: file.write_bytes(b"<html>not found</html>"),
        lambda file: file.write_bytes(file.read_bytes()[:-5]),
    ],
    ids=["other bytes", "more bytes", "fewer bytes", "a page", "cut short"],
)
def test_a_delta_that_does_not_make_its_file_makes_way_for_the_whole_one(
    scene: Scene, six: Sound, spoil: Callable[[Path], object]
) -> None:
    (file,) = (scene.site / "deltas").iterdir()
    spoil(file)
    with serving(scene.site) as site:
        updated = scene.update(site)
    assert (updated.whole, updated.deltas) == (2, 0)
    assert scene.used() == 6


@pytest.mark.parametrize("left", [len(OLD), 5, 0])
def test_from_a_file_that_rotted_no_delta_makes_anything(scene: Scene, six: Sound, left: int) -> None:
    file = next(path for path in (scene.slots.folder / "a" / "files").iterdir() if path.stat().st_size == len(OLD))
    file.write_bytes(bytes(left))
    with serving(scene.site) as site:
        assert scene.update(site).deltas == 0
    assert scene.used() == 6


BAD = {
    "ignores ranges": Habits(drops=1, ranges=False),
    "changes its tag": Habits(drops=1, new_tag_each_time=True),
    "changes its tag and sends ranges all the same": Habits(drops=1, new_tag_each_time=True, minds_if_range=False),
    "short bodies": Habits(short_bodies=1),
    "416": Habits(drops=1, refuses_ranges=True),
    "closes connections": Habits(drops=99, drop_after=50_000),
    "closes connections at once": Habits(drops=2, drop_after=0),
    "503": Habits(failures=3),
    "sends more": Habits(more=50_000),
}


@pytest.mark.parametrize("habits", BAD.values(), ids=BAD.keys())
def test_servers_that_do_not_do_as_they_should_are_survived(scene: Scene, six: Sound, habits: Habits) -> None:
    with serving(scene.site, replace(habits, spared=ENVELOPE)) as site:
        updated = scene.update(site)
    assert updated.whole + updated.deltas == 2
    assert updated.deltas == (0 if habits.more or habits.short_bodies else 1)
    assert scene.used() == 6


def test_a_server_that_never_gives_a_whole_file_is_given_up_and_what_came_is_kept(scene: Scene, six: Sound) -> None:
    with serving(scene.site, Habits(drops=99, drop_after=0)) as site, pytest.raises(FailedError) as failed:
        scene.update(site)
    assert failed.value.reason == "server"
    with serving(scene.site, Habits(drops=99, new_tag_each_time=True, spared=ENVELOPE)) as site:
        with pytest.raises(FailedError, match="6 times"):
            scene.update(site)
        assert len(site.asked) < 40
    assert scene.used() == 5
    with serving(scene.site) as site:
        scene.update(site)
    assert scene.used() == 6


def test_other_bytes_under_a_files_name_are_told(scene: Scene, six: Sound) -> None:
    file = next(path for path in (scene.site / "files").iterdir() if path.read_bytes() == NEW)
    file.write_bytes(NEW[::-1])
    with serving(scene.site) as site, pytest.raises(FailedError, match="other bytes"):
        scene.update(site)
    assert scene.used() == 5


def test_a_file_that_the_server_no_longer_has_is_told_at_once(scene: Scene, six: Sound) -> None:
    file = next(path for path in (scene.site / "files").iterdir() if path.read_bytes() == NEW)
    file.unlink()
    with serving(scene.site) as site:
        with pytest.raises(FailedError, match="run again"):
            scene.update(site)
        assert site.count(f"files/{file.name}") == 1


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        (replace(DEVICE, compatible="other"), "incompatible"),
        (replace(DEVICE, now="2028-01-01T00:00:00Z"), "expired"),
        (replace(DEVICE, runtimes={"litert": "2.1"}), "runtime-missing"),
        (replace(DEVICE, runtimes={"onnxruntime": "1.1"}), "runtime-too-old"),
        (replace(DEVICE, runtimes={"executorch": "2.0"}, abi="x86_64"), "wrong-abi"),
    ],
)
def test_what_a_device_may_not_use_is_refused_before_a_file_is_fetched(
    scene: Scene, six: Sound, device: Device, reason: str
) -> None:
    with serving(scene.site) as site, pytest.raises(Refused) as refused:
        scene.update(site, device=device)
    assert refused.value.reason == reason
    assert {path for _, path in site.asked} == {"roots/2.json", ENVELOPE}
    assert scene.used() == 5


def test_a_signature_that_does_not_fit_is_refused_before_a_file_is_fetched(
    scene: Scene, six: Sound, tmp_path: Path
) -> None:
    forged = Sound.make(ring(tmp_path / "others"), 7).entries()[ENVELOPE]
    assert isinstance(forged, bytes)
    (scene.site / ENVELOPE).write_bytes(forged)
    with serving(scene.site) as site, pytest.raises(Refused) as refused:
        scene.update(site)
    assert refused.value.reason == "key-unknown"
    assert not _fetched(site, "files/")


def test_a_server_with_an_older_version_is_refused(scene: Scene, tmp_path: Path) -> None:
    four = Sound.make(scene.keys, 4).write(tmp_path / "four")
    publishing.publish(verify(four, scene.root, DEVICE), tmp_path / "old-site", keep=3)
    with serving(tmp_path / "old-site") as site, pytest.raises(Refused) as refused:
        scene.update(site)
    assert refused.value.reason == "downgrade"


def test_a_budget_that_the_plan_exceeds_ends_before_the_first_file(scene: Scene, six: Sound) -> None:
    with serving(scene.site) as site:
        with pytest.raises(FailedError) as failed:
            scene.update(site, budget=len(NEW))
        assert failed.value.reason == "budget"
        assert not _fetched(site, "files/")
        assert not _fetched(site, "deltas/")
        scene.update(site, budget=len(NEW) + DELTA + 10_000)
    assert scene.used() == 6


def test_a_server_that_sends_more_than_it_said_ends_at_the_budget(scene: Scene, six: Sound) -> None:
    budget = len(NEW) + DELTA + 20_000
    with serving(scene.site, Habits(drops=1, ranges=False, spared=ENVELOPE)) as site:
        with pytest.raises(FailedError) as failed:
            scene.update(site, budget=budget)
        assert failed.value.reason == "budget"
        assert site.sent <= budget
    assert scene.used() == 5
    with serving(scene.site, Habits(more=10**8)) as site, pytest.raises(FailedError) as failed:
        scene.update(site, budget=100_000)
    assert failed.value.reason == "budget"


def test_what_came_before_an_update_failed_is_not_fetched_again(scene: Scene, tmp_path: Path) -> None:
    whole = random.Random(2).randbytes(3_000_000)
    scene.publish(Sound.make(scene.keys, 6).with_file("licences/new", whole))
    with serving(scene.site, Habits(drops=99, drop_after=2_000_000, spared=ENVELOPE)) as site:
        site.habits.on_body = lambda path: _stop_at_the_second(site, path)
        with pytest.raises(FailedError):
            scene.update(site)
    with serving(scene.site) as site:
        scene.update(site)
        assert 1_000_000 - 1 < site.sent < 1_200_000
    assert scene.used() == 6


def _stop_at_the_second(site: Site, path: str) -> None:
    """From then on this server does nothing right."""
    if path.startswith("files/") and site.count(path) == 2:
        site.habits.drop_after = 0


def test_nothing_new_takes_the_manifest_and_no_more(scene: Scene) -> None:
    with serving(scene.site) as site:
        assert scene.update(site).verified is None
        assert site.asked == [("GET", "roots/2.json"), ("GET", ENVELOPE)]


def test_a_version_that_was_given_up_is_not_installed_again_unless_asked(scene: Scene, six: Sound) -> None:
    with serving(scene.site) as site:
        scene.update(site)
        assert [scene.used() for _ in range(2)] == [6, 5]
        sent = site.sent
        assert scene.update(site).given_up
        assert scene.used() == 5
        scene.update(site, again=True)
        assert site.sent - sent < 20_000  # its files are still there
        assert scene.used() == 6
        scene.slots.found_good()
        scene.publish(Sound.make(scene.keys, 7))
        scene.update(site)
    assert scene.used() == 7


def test_while_a_bundle_is_tried_nothing_is_asked_for(scene: Scene, six: Sound) -> None:
    with serving(scene.site) as site:
        scene.update(site)
        assert scene.used() == 6
        asked = len(site.asked)
        with pytest.raises(BusyError):
            scene.update(site)
        assert len(site.asked) == asked


def test_two_updates_at_once_do_not_meet(scene: Scene, six: Sound) -> None:
    with scene.slots.alone(), serving(scene.site) as site, pytest.raises(BusyError):
        scene.update(site)


def test_new_roots_come_first_and_are_kept(scene: Scene) -> None:
    rotate(scene.keys, "bundle")
    rotate(scene.keys, "root")
    scene.publish(Sound.make(scene.keys, 6))
    with serving(scene.site) as site:
        scene.update(site)
        assert scene.used() == 6
        scene.slots.found_good()
        scene.publish(Sound.make(scene.keys, 7))
        site.asked.clear()
        scene.update(site)
        assert ("GET", "roots/2.json") not in site.asked
    assert scene.used() == 7


def test_a_revocation_that_was_seen_counts_though_the_server_hides_it_again(scene: Scene, six: Sound) -> None:
    rotate(scene.keys, "bundle")
    hidden = scene.site / "roots" / "2.json"
    hidden.parent.mkdir(exist_ok=True)
    hidden.write_bytes(scene.keys.roots[1].read_bytes())
    for _ in range(2):
        with serving(scene.site) as site, pytest.raises(Refused) as refused:
            scene.update(site)
        assert refused.value.reason == "key-revoked"
        hidden.unlink(missing_ok=True)


def test_an_update_writes_little_more_than_what_it_brings(scene: Scene, six: Sound) -> None:
    """By what the kernel counts as written by this process, sockets and all."""

    def written() -> int:
        lines = Path("/proc/self/io").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("wchar")).split()[1])

    bundle = sum(digests(six.manifest).values())
    with serving(scene.site) as site:
        before = written()
        scene.update(site)
        count = written() - before
    print(f"{count / bundle:.2f} × the bundle written")
    assert count <= 1.1 * bundle
    assert scene.used() == 6


def test_a_first_bundle_comes_from_the_server_too(scene: Scene, six: Sound, tmp_path: Path) -> None:
    scene.slots = Slots(tmp_path / "fresh")
    with serving(scene.site) as site:
        assert scene.update(site).whole == len(digests(six.manifest))
    assert scene.used() == 6

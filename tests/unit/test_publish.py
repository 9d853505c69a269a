"""Publishing: what a site has after each bundle, and what it never has."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from bundles import Sound, ring

from edgeship.apps.board import delta
from edgeship.apps.board.verify import ENVELOPE, MANIFEST, digests
from edgeship.toolchain.bundle.keys import Keys
from edgeship.toolchain.bundle.publish import Way
from edgeship.toolchain.commands.publish import publish
from edgeship.toolchain.errors import EdgeshipError, RecipeError

CONTENT = {version: random.Random(0).randbytes(20_000) + b"%d" % version for version in range(1, 9)}


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return ring(tmp_path / "keys")


def _publish(keys: Keys, version: int, site: Path, keep: int = 3) -> list[Way]:
    sound = Sound.make(keys, version).but(expires_at="2999-01-01T00:00:00Z")
    bundle = site.parent / f"bundle-{version}"
    if not bundle.exists():
        sound.with_file("licences/changes", CONTENT[version]).write(bundle)
    return publish(bundle, site, keep, keys.roots[0])[1]


def _names(site: Path, folder: str) -> set[str]:
    return {path.name for path in (site / folder).glob("*")}


def test_what_boards_fetch_is_told_by_what_they_have(keys: Keys, tmp_path: Path) -> None:
    site = tmp_path / "site"
    (first,) = _publish(keys, 5, site)
    assert (first.version, first.files, first.deltas) == (None, 5, 0)
    assert first.size_bytes == sum(path.stat().st_size for path in (site / "files").iterdir())
    from_five, from_nothing = _publish(keys, 6, site)
    assert (from_five.version, from_five.files, from_five.deltas) == (5, 1, 1)
    assert from_five.size_bytes < 200 < 20_000 < from_nothing.size_bytes


def test_the_newest_versions_are_kept_and_what_only_others_have_is_removed(keys: Keys, tmp_path: Path) -> None:
    site = tmp_path / "site"
    for version in (1, 2, 3):
        _publish(keys, version, site, keep=1)
    manifests = {int(name.removesuffix(".json")) for name in _names(site, "manifests")}
    assert manifests == {2, 3}
    named = {sha256 for version in manifests for sha256 in digests(_manifest(site, version))}
    assert _names(site, "files") == named
    assert len(_names(site, "deltas")) == 1
    _publish(keys, 4, site, keep=0)
    assert _names(site, "files") == set(digests(_manifest(site, 4)))
    assert not _names(site, "deltas")


def _manifest(site: Path, version: int) -> dict[str, object]:
    found: dict[str, object] = json.loads((site / "manifests" / f"{version}.json").read_text())
    return found


def test_where_a_delta_saves_nothing_there_is_none(keys: Keys, tmp_path: Path) -> None:
    site = tmp_path / "site"
    for version in (1, 2):
        content = random.Random(version).randbytes(20_000)
        sound = Sound.make(keys, version).but(expires_at="2999-01-01T00:00:00Z").with_file("licences/x", content)
        publish(sound.write(tmp_path / str(version)), site, 3, keys.roots[0])
    assert not _names(site, "deltas")


def test_publishing_the_same_again_changes_nothing_and_mends_what_was_cut_short(keys: Keys, tmp_path: Path) -> None:
    site = tmp_path / "site"
    _publish(keys, 5, site)
    _publish(keys, 6, site)
    before = {path: path.read_bytes() for path in site.rglob("*") if path.is_file()}
    (site / "files" / sorted(digests(_manifest(site, 6)))[0]).write_bytes(b"cut")
    (site / "files" / "rest.partial").write_bytes(b"cut")
    _publish(keys, 6, site)
    assert {path: path.read_bytes() for path in site.rglob("*") if path.is_file()} == before


def test_an_older_version_or_another_of_the_same_is_not_published(keys: Keys, tmp_path: Path) -> None:
    site = tmp_path / "site"
    _publish(keys, 6, site)
    with pytest.raises(EdgeshipError, match="has version 6, which is newer than 5"):
        _publish(keys, 5, site)
    other = Sound.make(keys, 6).but(expires_at="2999-01-01T00:00:00Z").write(tmp_path / "other")
    with pytest.raises(EdgeshipError, match="another bundle of version 6"):
        publish(other, site, 3, keys.roots[0])


def test_a_folder_of_something_else_is_left_alone(keys: Keys, tmp_path: Path) -> None:
    site = tmp_path / "photos"
    site.mkdir()
    (site / "one.jpg").write_bytes(b"")
    with pytest.raises(RecipeError, match="holds something else"):
        _publish(keys, 5, site)
    assert _names(tmp_path, "photos") == {"one.jpg"}


@pytest.mark.parametrize(
    "manifest", ['{"version": "3"}', '{"name": "web"}', "{", '{"schema": "edgeship-bundle/1", "version": 1}']
)
def test_a_folder_with_another_manifest_is_left_alone(keys: Keys, tmp_path: Path, manifest: str) -> None:
    site = tmp_path / "site"
    (site / "files").mkdir(parents=True)
    (site / "files" / "mine.txt").write_text("mine")
    (site / "manifest.json").write_text(manifest)
    with pytest.raises(RecipeError, match="holds something else"):
        _publish(keys, 5, site)
    assert (site / "files" / "mine.txt").read_text() == "mine"


def test_a_bundle_that_boards_would_refuse_is_not_published(keys: Keys, tmp_path: Path) -> None:
    site = tmp_path / "site"
    bundle = Sound.make(keys, 5).write(tmp_path / "bundle")
    (bundle / "manifest.json").write_text("{}")
    with pytest.raises(EdgeshipError, match="manifest-differs"):
        publish(bundle, site, 3, keys.roots[0])
    assert not site.exists()


def test_whoever_reads_a_manifest_finds_what_it_names(
    keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The site is looked at after each of its changes."""
    site = tmp_path / "site"
    _publish(keys, 5, site)
    looks = 0
    replace, unlink = Path.replace, Path.unlink

    def look() -> None:
        nonlocal looks
        looks += 1
        manifest = json.loads((site / MANIFEST).read_bytes())
        assert all((site / "files" / sha256).stat().st_size == size for sha256, size in digests(manifest).items())
        assert (site / ENVELOPE).exists()

    def replaced(path: Path, target: Path) -> Path:
        done = replace(path, target)
        look()
        return done

    def unlinked(path: Path, missing_ok: bool = False) -> None:
        unlink(path, missing_ok)
        look()

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", replaced)
        patched.setattr(Path, "unlink", unlinked)
        _publish(keys, 6, site, keep=1)
        _publish(keys, 7, site, keep=0)
    assert looks > 10


def test_deltas_are_named_by_what_they_come_from(keys: Keys, tmp_path: Path) -> None:
    site = tmp_path / "site"
    for version in (5, 6, 7):
        _publish(keys, version, site)
    five, six, seven = (_manifest(site, version) for version in (5, 6, 7))
    pairs = {*delta.bases(five, seven).items(), *delta.bases(six, seven).items()}
    assert {f"deltas/{name}" for name in _names(site, "deltas")} == {delta.name(old, new) for new, old in pairs}

"""Store layouts: what Play's and Apple's tools are given, and that a bundle within them is the signed one."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bundles import Sound, ring
from typer.testing import CliRunner

from edgeship.toolchain.bundle.keys import Keys
from edgeship.toolchain.bundle.layouts import pack_name
from edgeship.toolchain.bundle.stores import Delivery, Platform, Store
from edgeship.toolchain.cli import app
from edgeship.toolchain.commands.layout import Pack, groups_of, layout
from edgeship.toolchain.errors import EdgeshipError, RecipeError

LIFETIME = ["firstInstallation", "subsequentUpdate"]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """Rotated once: bundles bring a root along."""
    return ring(tmp_path_factory.mktemp("ring") / "keys", rotations=1)


def laid(bundle: Path, pack: Pack, out: Path, keys: Keys) -> tuple[list[Path], list[str]]:
    notes: list[str] = []
    return layout(bundle, pack, out, keys.roots[0], notes.append), notes


def names(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def board_verifies(place: Path, keys: Keys) -> bool:
    command = [sys.executable, "-m", "edgeship.apps.board", "verify", str(place), "--root", str(keys.roots[0])]
    return subprocess.run([*command, "--now", "2026-11-30T12:00:00Z"], capture_output=True).returncode == 0


@pytest.mark.parametrize("form", ["b.zip", "b"])
@pytest.mark.parametrize("store", list(Store))
def test_a_bundle_within_a_layout_is_the_signed_one(store: Store, form: str, tmp_path: Path, keys: Keys) -> None:
    sound = Sound.make(keys)
    bundle = sound.write(tmp_path / form)
    (place,), _ = laid(bundle, Pack(store), tmp_path / "out", keys)
    assert names(place) == sorted(sound.entries())
    assert board_verifies(place, keys)
    file = place / sorted(sound.files)[0]
    file.write_bytes(file.read_bytes() + b" ")
    assert not board_verifies(place, keys)


def test_play_is_given_a_gradle_module_with_a_folder_for_each_device_group(tmp_path: Path, keys: Keys) -> None:
    bundle = Sound.make(keys).write(tmp_path / "b.zip")
    newer = Sound.make(keys, version=6).write(tmp_path / "flagship.zip")
    pack = Pack(Store.play, "digits_model", Delivery.fast_follow, groups_of([f"flagship={newer}"]))
    places, _ = laid(bundle, pack, tmp_path / "out", keys)
    module = tmp_path / "out" / "digits_model"
    assets = module / "src" / "main" / "assets"
    assert places == [assets / "digits_model", assets / "digits_model#group_flagship"]
    assert [json.loads((place / "manifest.json").read_text())["version"] for place in places] == [5, 6]
    assert " ".join((module / "build.gradle.kts").read_text().split()) == (
        'plugins { id("com.android.ai-pack") } aiPack { packName = "digits_model" '
        'dynamicDelivery { deliveryType = "fast-follow" } }'
    )
    assert sorted(place.name for place in (tmp_path / "out").iterdir()) == ["digits_model"]


@pytest.mark.parametrize(
    ("delivery", "policy"),
    [
        (Delivery.install_time, {"essential": {"installationEventTypes": LIFETIME}}),
        (Delivery.fast_follow, {"prefetch": {"installationEventTypes": LIFETIME}}),
        (Delivery.on_demand, {"onDemand": {}}),
    ],
)
def test_apple_is_given_a_manifest_whose_paths_start_where_it_lies(
    delivery: Delivery, policy: object, tmp_path: Path, keys: Keys
) -> None:
    bundle = Sound.make(keys).write(tmp_path / "b.zip")
    pack = Pack(Store.apple, delivery=delivery, platforms=(Platform.ios, Platform.macos))
    (place,), _ = laid(bundle, pack, tmp_path / "out", keys)
    manifest = json.loads((tmp_path / "out" / "Manifest.json").read_text())
    assert manifest == {
        "assetPackID": "digits",
        "downloadPolicy": policy,
        "fileSelectors": [{"directory": "digits"}],
        "platforms": ["iOS", "macOS"],
    }
    assert place == tmp_path / "out" / manifest["fileSelectors"][0]["directory"]


def test_files_for_no_device_of_the_store_are_told_of(tmp_path: Path, keys: Keys) -> None:
    sound = Sound.make(keys)
    onnx, executorch = sound.manifest["artifacts"]
    executorch["runtime"]["name"] = "coreml"
    bundle = sound.but(artifacts=[onnx, executorch]).write(tmp_path / "b.zip")
    _, notes = laid(bundle, Pack(Store.play), tmp_path / "play", keys)
    assert len(notes) == 1
    assert "int8-executorch (12 B) is for no device of this store" in notes[0]
    assert laid(bundle, Pack(Store.apple), tmp_path / "apple", keys)[1] == []


def test_a_bundle_that_is_refused_is_not_laid_out(tmp_path: Path, keys: Keys) -> None:
    bundle = Sound.make(keys).but(expires_at="2020-01-01T00:00:00Z").write(tmp_path / "b")
    with pytest.raises(EdgeshipError, match="expired"):
        laid(bundle, Pack(Store.play), tmp_path / "out", keys)
    assert [place.name for place in tmp_path.iterdir()] == ["b"]


@pytest.mark.parametrize(
    ("pack", "said"),
    [
        (Pack(Store.play, "2digits"), "no name of an AI pack"),
        (Pack(Store.play, "../digits"), "no name of an AI pack"),
        (Pack(Store.apple, "../digits"), "no name of an asset pack"),
        (Pack(Store.apple, groups={"a": Path("b")}), "only Play has device groups"),
        (Pack(Store.play, platforms=(Platform.ios,)), "Apple's asset packs"),
    ],
)
def test_what_a_store_does_not_know_is_refused_before_anything_is_written(
    pack: Pack, said: str, tmp_path: Path, keys: Keys
) -> None:
    bundle = Sound.make(keys).write(tmp_path / "b")
    with pytest.raises(RecipeError, match=said):
        laid(bundle, pack, tmp_path / "out", keys)
    assert [place.name for place in tmp_path.iterdir()] == ["b"]


def test_a_group_s_name_is_one_that_play_takes(tmp_path: Path, keys: Keys) -> None:
    bundle = Sound.make(keys).write(tmp_path / "b")
    with pytest.raises(RecipeError, match="device group"):
        laid(bundle, Pack(Store.play, groups={"a/b": bundle}), tmp_path / "out", keys)
    with pytest.raises(RecipeError, match="NAME=BUNDLE"):
        groups_of(["flagship"])
    with pytest.raises(RecipeError, match="flagship: is named twice"):
        groups_of(["flagship=a.zip", "flagship=b.zip"])
    shutil.rmtree(bundle)


@pytest.mark.parametrize("other", [{"compatible": "another"}, {"name": "faces"}])
def test_a_group_gets_the_same_model_for_the_same_product(other: dict[str, str], tmp_path: Path, keys: Keys) -> None:
    bundle = Sound.make(keys).write(tmp_path / "b")
    stranger = Sound.make(keys).but(**other).write(tmp_path / "stranger.zip")
    with pytest.raises(RecipeError, match=r"stranger.zip holds .*, .*b digits for digits"):
        laid(bundle, Pack(Store.play, groups={"flagship": stranger}), tmp_path / "out", keys)
    assert not (tmp_path / "out").exists()


def test_a_platform_is_one_of_apple_s(tmp_path: Path, keys: Keys) -> None:
    words = [str(Sound.make(keys).write(tmp_path / "b")), "apple", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, ["layout", *words, "--platform", "Windows", "--root", str(keys.roots[0])])
    assert done.exit_code == 2
    assert "'Windows' is not one of 'iOS'" in " ".join(done.output.replace("│", " ").split())


@pytest.mark.parametrize(
    ("text", "name"), [("digits", "digits"), ("mini-lm L6", "mini_lm_L6"), ("7 segments", "pack_7_segments")]
)
def test_a_pack_s_name_comes_from_the_bundle_s(text: str, name: str) -> None:
    assert pack_name(text) == name

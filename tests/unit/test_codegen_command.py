"""What `codegen` reads and writes: bundles of other versions, and folders that hold something already."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bundles import Sound, ring
from test_codegen import manifest

from edgeship.toolchain.bundle.keys import Keys
from edgeship.toolchain.commands.codegen import codegen
from edgeship.toolchain.errors import EdgeshipError, RecipeError


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return ring(tmp_path_factory.mktemp("ring") / "keys")


def bundle(keys: Keys, out: Path, **changes: Any) -> Path:
    """A signed one of a model that takes a picture."""
    sound = Sound.make(keys)
    golden, stored = sound.manifest["golden"], sound.manifest["golden"]["files"][0]["sha256"]
    about = json.loads(manifest().model_dump_json(by_alias=True))
    artifact = about["artifacts"][0]
    artifact["inputs"] = artifact["inputs"][:1]
    artifact["files"] = sound.manifest["artifacts"][0]["files"]
    numbers = {**golden["inputs"]["x"], "sha256": stored}
    golden |= {"inputs": {"image": numbers}, "outputs": {"int8-onnx": {"class.logits": numbers, "return": numbers}}}
    contract = {
        "inputs": {"image": about["contract"]["inputs"]["image"]},
        "labels": ["a", "b"],
        "logits": "class.logits",
    }
    used = {file["sha256"] for file in (*artifact["files"], *golden["files"], *sound.manifest["licences"])}
    files = [file for file in sound.manifest["files"] if file["sha256"] in used]
    sound = sound.but(
        artifacts=[artifact],
        contract=contract,
        golden=golden,
        files=files,
        expires_at="2999-01-01T00:00:00Z",
        **changes,
    )
    sound.files = {name: data for name, data in sound.files.items() if name.removeprefix("files/") in used}
    return sound.write(out)


def test_samples_are_not_written_over_those_of_somebody_else(keys: Keys, tmp_path: Path) -> None:
    source, out = bundle(keys, tmp_path / "b.zip"), tmp_path / "out"
    (out / "golden").mkdir(parents=True)
    (out / "golden" / "image.expected").write_text("mine")
    (out / "notes.txt").write_text("of mine, too")
    with pytest.raises(RecipeError, match=r"golden/image\.expected: is there already, and no wrapper beside it"):
        codegen(source, "python", out, keys.roots[0], None)
    assert (out / "golden" / "image.expected").read_text() == "mine"
    assert sorted(file.name for file in out.iterdir()) == ["golden", "notes.txt"]


def test_samples_beside_a_wrapper_of_ours_are_made_anew(keys: Keys, tmp_path: Path) -> None:
    source, out = bundle(keys, tmp_path / "b.zip"), tmp_path / "out"
    written = codegen(source, "python", out, keys.roots[0], None).files
    samples = out / "golden" / "image.expected"
    right = samples.read_bytes()
    samples.write_bytes(b"of an older contract")
    codegen(source, "cpp", out, keys.roots[0], None)
    assert samples in written
    assert samples.read_bytes() == right


@pytest.mark.parametrize("key", ["more", "less"])
def test_a_bundle_of_another_version_is_told_of(key: str, keys: Keys, tmp_path: Path) -> None:
    sound = (
        bundle(keys, tmp_path / "b.zip", novelty=1, edgeship="7.0")
        if key == "more"
        else Sound.make(keys).but(expires_at="2999-01-01T00:00:00Z", edgeship="0.0.1").write(tmp_path / "b.zip")
    )
    with pytest.raises(
        EdgeshipError, match=r"is not as this edgeship has it: made by edgeship (7\.0|0\.0\.1), this is"
    ):
        codegen(sound, "python", tmp_path / "out", keys.roots[0], None)
    assert not (tmp_path / "out").exists()

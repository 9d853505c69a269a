"""The commands of docs/walkthrough-timm-android.md, run as they stand until a phone or the Android SDK is needed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "walkthrough-timm-android.md"
EXAMPLE = ROOT / "examples" / "timm"
pytestmark = pytest.mark.slow  # minutes: quantizes and converts


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example, in which the page's commands were run one after another."""
    folder = tmp_path_factory.mktemp("walkthrough") / "timm"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("photos", "runs"))
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "EDGESHIP_KEYS": str(folder.parent / "keys"),
        "EDGESHIP_CACHE": str(folder.parent / "cache"),
        "EDGESHIP_HISTORY": "",
        "OMP_NUM_THREADS": "1",
    }
    for commands in re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL):
        shell = ["sh", "-euc", commands]
        done = subprocess.run(shell, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, commands + done.stdout + done.stderr
        print(done.stdout)
    return folder


def manifest(place: Path) -> dict[str, Any]:
    with zipfile.ZipFile(place / "fruits.zip") as archive:
        return dict(json.loads(archive.read("manifest.json")))


def test_every_file_is_proven_and_knows_the_fruits(place: Path) -> None:
    (report,) = [json.loads(file.read_text()) for file in place.glob("runs/*/report.json")]
    assert len(report["lines"]) == 2
    for line in report["lines"]:
        (execution,) = line["executions"]
        assert execution["verdict"] == "pass", line
        assert execution["metric"]["artifact"] > 0.9, line


def test_the_bundle_says_what_timm_does_to_a_photo(place: Path) -> None:
    from edgeship.calibration.preprocess import from_timm

    contract = manifest(place)["contract"]
    assert contract["inputs"]["image"] == from_timm("test_efficientnet.r160_in1k").declared.model_dump(mode="json")
    assert contract["labels"] == ["apple", "lemon", "plum"]


def test_the_wrapper_takes_a_picture_and_knows_the_labels(place: Path) -> None:
    code = (place / "generated" / "Fruits.kt").read_text()
    assert "fun predict(image: Picture): FruitsAnswer" in code
    assert 'listOf("apple", "lemon", "plum")' in code
    assert (place / "generated" / "FruitsGolden.kt").exists()


def test_play_s_pack_holds_the_bundle(place: Path) -> None:
    found = {file.name for file in (place / "pack").rglob("*")}
    assert {"build.gradle.kts", "manifest.json", "manifest.dsse.json"} <= found

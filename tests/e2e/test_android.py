"""The Kotlin side: every file compiled, hostile bundles refused as in Python, digits classified as in Python."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import android_data
import pytest

ROOT = Path(__file__).parents[2]
needs_maven = pytest.mark.skipif(not shutil.which("mvn"), reason="no Maven: apt install maven")
pytestmark = [pytest.mark.slow, needs_maven]  # a minute, and Maven fetches its plugins


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("android") / "data"
    android_data.main(folder)
    return folder


def _verified(project: Path, data: Path) -> subprocess.CompletedProcess[str]:
    command = ["mvn", "--batch-mode", "--no-transfer-progress", "-f", str(project), f"-Dedgeship.data={data}", "verify"]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    copy = tmp_path / "android"
    shutil.copytree(ROOT / "apps/android", copy, ignore=shutil.ignore_patterns("target"))
    return copy


def test_the_check_build_is_green(project: Path, data: Path) -> None:
    done = _verified(project, data)
    assert done.returncode == 0, done.stdout[-4000:]
    refused = re.search(r"(\d+) of (\d+) hostile bundles refused", done.stdout)
    assert refused is not None
    assert refused[1] == refused[2]
    assert int(refused[1]) > 200
    assert "599 of 599 digits classified as in Python" in done.stdout
    files = len(list(project.rglob("*.kt")))
    assert f"{files} Kotlin files compiled" in done.stdout


@pytest.mark.parametrize(
    "file", ["core/src/main/kotlin/edgeship/bundle/Zip.kt", "engine-onnx/src/test/kotlin/edgeship/engine/DigitsTest.kt"]
)
def test_a_type_error_turns_it_red(project: Path, data: Path, file: str) -> None:
    with (project / file).open("a") as stream:
        stream.write('\nval wrong: Int = "text"\n')
    done = _verified(project, data)
    assert done.returncode != 0
    assert Path(file).name in done.stdout

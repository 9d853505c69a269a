"""The Kotlin side: every file compiled, hostile bundles refused, inputs made and digits classified as in Python."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import android_archives
import android_data
import android_jobs
import jsonschema
import pytest

from edgeship.toolchain.protocol.messages import Result

ROOT = Path(__file__).parents[2]
needs_maven = pytest.mark.skipif(not shutil.which("mvn"), reason="no Maven: apt install maven")
needs_npm = pytest.mark.skipif(not shutil.which("npm"), reason="no npm, which brings ExecuTorch's classes")
pytestmark = [pytest.mark.slow, needs_maven, needs_npm]  # minutes, and Maven fetches its plugins
EACH = ("end in a working slot", "hostile bundles refused", "golden messages", "golden series", "jobs answered")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("android") / "data"
    android_data.main(folder)
    return folder


@pytest.fixture(scope="module")
def fetched() -> Path:
    """Kept in the checkout: 95 MB."""
    folder = ROOT / "apps/android/target"
    android_archives.main(folder)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    copy = tmp_path / "android"
    shutil.copytree(ROOT / "apps/android", copy, ignore=shutil.ignore_patterns("target"))
    return copy


def _verified(project: Path, data: Path, fetched: Path, *more: str) -> subprocess.CompletedProcess[str]:
    places = [f"-Dedgeship.data={data}", f"-Dedgeship.fetched={fetched}"]
    command = ["mvn", "--batch-mode", "--no-transfer-progress", "-f", str(project), *places, *more, "verify"]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_check_build_is_green(project: Path, data: Path, fetched: Path) -> None:
    done = _verified(project, data, fetched)
    assert done.returncode == 0, done.stdout[-4000:]
    counted = re.findall(r"(\d+)(?: of |/)(\d+) ([^\n]*)", done.stdout)
    for what in EACH:
        assert any(what in said and done_ == all_ for done_, all_, said in counted), what
    contract = re.search(r"contract: (.*)", done.stdout)
    assert contract is not None
    assert all(equal == asked for equal, asked in re.findall(r"(\d+) of (\d+)", contract[1]))
    assert "599 of 599 digits classified as in Python" in done.stdout
    files = len(list(project.rglob("*.kt")))
    assert f"{files} Kotlin files compiled" in done.stdout
    _check_results(data / "jobs")


def _check_results(jobs: Path) -> None:
    """What the Kotlin agent wrote, by the schema and by what hosts read."""
    schema = json.loads((ROOT / "apps/protocol/bench-result-1.schema.json").read_text())
    results = sorted(jobs.glob("result-*.json"))
    assert len(results) == len(android_jobs.CONFIGS) + 3
    for file in results:
        jsonschema.Draft202012Validator(schema).validate(json.loads(file.read_text()))
        result = Result.load(file)
        assert (result.agent.kind, result.runtime.name) == ("android", "onnxruntime")
        assert (result.runs[0].error is None) == (file.stem not in ("result-broken", "result-profile")), file.stem
    assert not list(jobs.glob("*.part"))
    latency = Result.load(jobs / "result-latency.json").runs[0]
    assert len(latency.samples or []) >= 20


@pytest.mark.parametrize(
    ("file", "module"),
    [
        ("core/src/main/kotlin/edgeship/bundle/Zip.kt", "core"),
        ("engine-onnx/src/test/kotlin/edgeship/engine/DigitsTest.kt", "engine-onnx"),
        ("engine-executorch/src/main/kotlin/edgeship/engine/ExecuTorchEngine.kt", "engine-executorch"),
        ("app/src/litert/kotlin/edgeship/app/LiteRtApp.kt", "app"),
    ],
)
def test_a_type_error_turns_it_red(project: Path, data: Path, fetched: Path, file: str, module: str) -> None:
    with (project / file).open("a") as stream:
        stream.write('\nval wrong: Int = "text"\n')
    done = _verified(project, data, fetched, "--projects", module, "--also-make", "-DskipTests")
    assert done.returncode != 0
    assert Path(file).name in done.stdout

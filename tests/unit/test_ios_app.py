"""Jobs for edgeship's app on an iPhone: sent by devicectl, answered as by every agent; trouble has a remedy."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import iphone
import pytest
from tiny_files import TinyFile, TinyFiles

from edgeship.toolchain.artifact import Artifact
from edgeship.toolchain.devices.ios import link as ios
from edgeship.toolchain.devices.ios.device import Ios
from edgeship.toolchain.devices.launch import launch
from edgeship.toolchain.errors import CrashError, DeviceError, RecipeError
from edgeship.toolchain.protocol.files import JobFiles
from edgeship.toolchain.protocol.jobs import Load, make_job
from edgeship.toolchain.protocol.messages import Config, Stop
from edgeship.toolchain.recipe.arguments import device_of

pytestmark = pytest.mark.heavy
DEVICE = Ios(name="Test iPhone", app=iphone.APP)
SECOND_NS = 1_000_000_000


@pytest.fixture
def phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> iphone.IPhone:
    monkeypatch.setenv("PATH", f"{tmp_path / 'phone' / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("EDGESHIP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(ios, "LOOK_S", 0.05)
    return iphone.make(tmp_path / "phone")


def load(tiny_files: TinyFiles) -> tuple[TinyFile, Load]:
    file = tiny_files.get("conv_net", "onnx")
    return file, Load(file.artifact, file.folder, file.rows)


def test_a_file_is_verified_and_timed_on_a_phone(phone: iphone.IPhone, tiny_files: TinyFiles) -> None:
    file, what = load(tiny_files)
    with DEVICE.open() as link:
        assert link.can_execute(file.artifact) is None
        verified = launch(link, what, Config(mode="verify"))
        timed = launch(link, what, Config(mode="latency", measure=Stop(min_iters=20)), capture=False)
        assert link.conditions(file.artifact)["app"]["build"] == "1"
    file.is_answered_by(verified.outputs)
    assert timed.result.runs[0].error is None
    assert timed.result.runs[0].samples
    assert timed.result.transport == "devicectl"
    assert timed.result.device.model == "iPhone 15 Pro"
    assert timed.result.device.cpu.cores  # which devicectl does not tell
    assert not list(phone.documents.glob("*.zip"))
    launched = [words for words in phone.asked if words[1:4] == ["device", "process", "launch"]]
    assert len(launched) == 2
    assert not any("--console" in words or "--remove-existing-content" in words for words in phone.asked)


@pytest.mark.parametrize(
    ("does", "kind", "reason", "remedy"),
    [
        ("locked", DeviceError, "could not be, unlocked", "unlock it"),
        ("crashes", CrashError, f"the app {iphone.APP} ended without a result", "Devices window"),
        ("hangs", DeviceError, f"the app {iphone.APP} did not finish within 1 s", "later deadline"),
        ("mumbles", DeviceError, "no valid bench-result/1", "apps/ios/README.md"),
    ],
)
def test_trouble_is_said_and_nothing_goes_on(
    phone: iphone.IPhone, tiny_files: TinyFiles, does: str, kind: type[DeviceError], reason: str, remedy: str
) -> None:
    phone.does(does)
    deadline_ns = SECOND_NS if does == "hangs" else 600 * SECOND_NS
    with DEVICE.open() as link, pytest.raises(kind, match=reason) as caught:
        launch(link, load(tiny_files)[1], Config(mode="verify"), deadline_ns=deadline_ns)
    assert remedy in caught.value.hint
    assert isinstance(caught.value, CrashError) == (kind is CrashError)
    assert phone.processes == []


def test_what_the_app_cannot_execute_is_said_before(phone: iphone.IPhone, tiny_files: TinyFiles) -> None:
    litert, onnx = (tiny_files.get("conv_net", name).artifact for name in ("litert", "onnx"))
    with DEVICE.open() as link:
        assert link.can_execute(litert) == f"the app {iphone.APP} has ONNX Runtime, not LiteRT"
        assert link.can_execute(onnx, "sustained") == "no agent here does sustained with ONNX Runtime"
    with Ios(name="Test iPhone").open() as link:
        assert "add app = 'dev.edgeship.EdgeshipCoreML'" in (link.can_execute(onnx) or "")
    other = DEVICE.model_copy(update={"app": "dev.edgeship.EdgeshipCoreML"})
    with pytest.raises(DeviceError, match=r"Test iPhone has no app dev\.edgeship\.EdgeshipCoreML"), other.open():
        pass


def test_a_phone_is_one_runs_at_a_time(phone: iphone.IPhone) -> None:
    with DEVICE.open(), pytest.raises(DeviceError, match="Test iPhone is in use by another run"), DEVICE.open():
        pass
    with DEVICE.open():
        pass


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("app = 'com.example.Mine'", "does not end in one of EdgeshipOnnx, EdgeshipExecuTorch"),
        ("app = 'dev.edgeship.EdgeshipOnnx', backend = 'all'", "has no backend all: it has cpu, coreml"),
        ("app = 'dev.edgeship.EdgeshipExecuTorch', backend = 'cpu'", "its files say themselves"),
        ("backend = 'cpu'", "is the app's: add app"),
    ],
)
def test_an_app_that_is_not_ours_or_a_backend_that_it_lacks_is_refused(options: str, reason: str) -> None:
    with pytest.raises(RecipeError, match=reason):
        device_of(f"{{ device = 'ios', {options} }}")


def test_the_app_computes_on_what_was_asked_for_or_else_on_what_it_has(
    phone: iphone.IPhone, tiny_files: TinyFiles
) -> None:
    onnx: Artifact = tiny_files.get("conv_net", "onnx").artifact
    for backend, asked in ((None, "cpu"), ("coreml", "coreml")):
        with DEVICE.model_copy(update={"backend": backend}).open() as link:
            assert link.conditions(onnx)["backend"] == asked


def test_a_file_that_is_a_folder_is_sent_with_what_is_in_it(tmp_path: Path, tiny_files: TinyFiles) -> None:
    package = tiny_files.get("conv_net", "coreml")
    job, files = make_job(Load(package.artifact, package.folder, package.rows), Config(mode="verify"), tmp_path)
    with zipfile.ZipFile(ios.packed(job, JobFiles(files.sources, tmp_path))) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    assert "job.json" in names
    assert f"{job.artifact.path}/Manifest.json" in names
    assert job.cases[0][0].path in names

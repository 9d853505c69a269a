"""The app on a phone: installed once, it answers as every agent does; trouble with `pm` and `am` has a remedy."""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import android_app
import android_jobs
import numpy as np
import pytest
from adbd import RECORDED, Phone, needs_adb, plugged
from android_app import PYTHON_APP, jvm_app, make_apk

from edgeship.toolchain.artifact import Artifact, Runtime, Tensor, digest
from edgeship.toolchain.devices.adb.app import BACKENDS, FLAVOURS
from edgeship.toolchain.devices.adb.device import Adb
from edgeship.toolchain.devices.launch import launch
from edgeship.toolchain.errors import CrashError, DeviceError, RecipeError
from edgeship.toolchain.judge.case import Case
from edgeship.toolchain.judge.verdict import judge
from edgeship.toolchain.measure import history
from edgeship.toolchain.measure.bench import Subject
from edgeship.toolchain.protocol.jobs import Load
from edgeship.toolchain.protocol.messages import Config, Stop
from edgeship.toolchain.quant import FLOAT32
from edgeship.toolchain.recipe.arguments import device_of
from edgeship.toolchain.report.rows import measurement
from edgeship.toolchain.runtime import LASTING, TIMED
from edgeship.toolchain.samples import Samples
from edgeship.toolchain.shell import known

ANDROID = Path(__file__).parents[2] / "apps" / "android"
ONNX_ID = "dev.edgeship.app.onnx"
ONES = np.ones((1, 4), np.float32)
SUMMED = ONES[None]
SAMPLES = Samples({"x": SUMMED, "state": SUMMED})


@dataclass(frozen=True)
class Ready:
    """A phone that takes the app, and where on this machine its parts lie."""

    phone: Phone
    device: Adb
    state: Path
    storage: Path

    @property
    def media(self) -> Path:
        return self.storage / "Android/media" / ONNX_ID / "edgeship"

    def with_apk(self, apk: Path) -> Adb:
        return self.device.model_copy(update={"apk": apk})


@pytest.fixture
def ready(phone: Phone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ready:
    storage, state = tmp_path / "sdcard", tmp_path / "state"
    monkeypatch.setenv("EXTERNAL_STORAGE", str(storage))
    shutil.copytree(RECORDED, state)
    (state / "agent.json").write_text(json.dumps(PYTHON_APP))
    for name in ("pm", "am"):
        phone.has(name, f'exec "{sys.executable}" -I "{android_app.__file__}" "{state}" {name} "$@"')
    apk = make_apk(tmp_path / "app.apk", ONNX_ID)
    return Ready(phone, Adb(serial=plugged(phone), apk=apk, folder=str(tmp_path / "phone")), state, storage)


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """A file that no runtime looks at."""
    file = tmp_path / "model.onnx"
    file.write_bytes(b"no model")
    tensor = Tensor(name="x", dtype="float32", shape=(1, 4))
    artifact = Artifact(
        format="onnx", file=file.name, spec="float32", runtime=Runtime(name="onnxruntime", minimum_version="1.17"),
        inputs=(tensor,), outputs=(tensor,), size_bytes=8, sha256=digest(file), dtypes={},
    )  # fmt: skip
    return Load(artifact, tmp_path, [{"x": np.ones((1, 4), np.float32)}])


def test_it_knows_the_apps_flavours_and_what_its_agent_does() -> None:
    build = (ANDROID / "app/build.gradle.kts").read_text()
    names = re.findall(r'create\("(\w+)"\) \{ applicationIdSuffix = ".(\w+)" \}', build)
    assert {flavour for flavour, suffix in names if flavour == suffix} == set(FLAVOURS)
    for flavour, runtime in FLAVOURS.items():
        (source,) = (ANDROID / f"app/src/{flavour}/kotlin/edgeship/app").glob("*App.kt")
        said = re.search(rf'Runtime\("{runtime}", listOf\((.*)\)( \+ nnapi)?[,)]', source.read_text())
        assert said
        taken = set(re.findall(r'"(\w+)"', said[1])) | ({"nnapi"} if said[2] else set())
        assert not BACKENDS[runtime] or taken == {"cpu", *BACKENDS[runtime]}
    modes = re.search(
        r"MODES = listOf\((.*)\)", (ANDROID / "core/src/main/kotlin/edgeship/bench/Refusal.kt").read_text()
    )
    assert modes
    assert set(re.findall(r'"(\w+)"', modes[1])) == TIMED | LASTING


def test_what_is_no_app_of_ours_is_refused_before_a_phone_is_looked_for(tmp_path: Path) -> None:
    make_apk(tmp_path / "other.apk", "com.example.app", "androidx.test.runner.AndroidJUnitRunner")
    (tmp_path / "text.apk").write_text("text")
    for name, why in (
        ("none", "there is no such file"),
        ("text", "it is no APK"),
        ("other", "it has no JobInstrumentation"),
    ):
        with pytest.raises(RecipeError, match=why):
            device_of(f"{{ device = 'adb', apk = '{tmp_path}/{name}.apk' }}")


def test_a_backend_that_cannot_be_asked_for_is_refused_before_a_phone_is_looked_for(tmp_path: Path) -> None:
    apk = make_apk(tmp_path / "app.apk", ONNX_ID)
    for options, why in (
        (f"apk = '{apk}', backend = 'npu'", r"backend: Input should be 'gpu', 'nnapi' or 'xnnpack' \(got 'npu'\)"),
        ("backend = 'gpu'", "backend = 'gpu' is the app's: add apk = 'app.apk', or leave it out"),
        (
            f"apk = '{apk}', float16 = true",
            "float16 is for a backend off the CPU: add backend = 'gpu' or 'nnapi', or leave it out",
        ),
        (f"apk = '{apk}', backend = 'xnnpack', float16 = true", "add backend = 'gpu' or 'nnapi'"),
    ):
        with pytest.raises(RecipeError, match=why):
            device_of(f"{{ device = 'adb', {options} }}")
    assert device_of(f"{{ device = 'adb', apk = '{apk}', backend = 'gpu', float16 = true }}")


@needs_adb
def test_an_app_without_the_backend_says_which_it_has(ready: Ready, tmp_path: Path) -> None:
    for flavour, backend, why, remedy in (
        ("onnx", "gpu", "has ONNX Runtime without gpu", "it has nnapi and xnnpack"),
        ("litert", "xnnpack", "has LiteRT without xnnpack", "it has gpu and nnapi"),
        ("executorch", "gpu", "has ExecuTorch without gpu", "its files say themselves what computes them"),
    ):
        apk = make_apk(tmp_path / f"{flavour}.apk", f"dev.edgeship.app.{flavour}")
        device = ready.device.model_copy(update={"apk": apk, "backend": backend})
        with pytest.raises(DeviceError, match=why) as caught:
            device.open().__enter__()
        assert remedy in caught.value.hint


@needs_adb
@pytest.mark.heavy
def test_a_backend_is_told_to_the_app_and_in_the_figures(ready: Ready, tmp_path: Path) -> None:
    load = Load(android_jobs.sum_model(tmp_path), tmp_path, [{"x": ONES, "state": ONES}])
    brief = Stop(min_iters=5, max_ns=50_000_000)
    conditions = []
    for asked, options in (
        ({"backend": "nnapi"}, {"float16": False}),
        ({"backend": "nnapi", "float16": True}, {"float16": True}),
        ({"backend": "xnnpack"}, {}),
        ({}, {}),
    ):
        with ready.device.model_copy(update=asked).open() as link:
            conditions.append(link.conditions(load.artifact))
            assert (link.can_execute(load.artifact, "memory") is None) is (asked.get("backend") != "nnapi")
            assert (link.can_execute(load.artifact, "rounds") is None) is (asked.get("backend") != "nnapi")
            assert link.can_execute(load.artifact, "latency") is None
            timed = launch(link, load, Config(mode="latency", warmup=brief, measure=brief), capture=False).result
        backend = str(asked.get("backend", "cpu"))
        assert (timed.runtime.backend, timed.runtime.options) == (backend, options)
        assert timed.runtime.placement is None
        told = measurement(timed, Subject("sum", load.artifact, tmp_path, SAMPLES), "")
        unknown = f"how many nodes {backend} took is unknown"
        assert (told.runtime.endswith(f" ({backend})"), unknown in told.notes) == (bool(asked), bool(asked))
    assert len({json.dumps(each, sort_keys=True) for each in conditions}) == 4


@needs_adb
@pytest.mark.heavy
def test_a_backend_that_the_phone_lacks_is_never_a_verdict_on_the_file(ready: Ready, tmp_path: Path) -> None:
    command = jvm_app()
    if not command:
        pytest.skip("the Kotlin classes are not there: make check-android")
    (ready.state / "agent.json").write_text(json.dumps(command))
    load = Load(android_jobs.sum_model(tmp_path), tmp_path, [{"x": ONES, "state": ONES}])
    with ready.device.model_copy(update={"backend": "nnapi"}).open() as link:
        launched = launch(link, load, Config(mode="verify"))
        [error] = [run.error for run in launched.result.runs]
        assert error
        assert (error.phase, error.code, launched.outputs) == ("load", "NO_BACKEND", [])
        case = Case(FLOAT32, SAMPLES, {"total": 2 * SUMMED}, {"total": 2 * SUMMED})
        verdict = judge(load.artifact, tmp_path, link, case)
    assert (verdict.verdict, verdict.lasting) == ("not-executed", False)
    assert "load: no nnapi here for this file: OrtException" in verdict.reasons[0]


@needs_adb
@pytest.mark.heavy
@pytest.mark.parametrize("app", ["Kotlin's agent", "Python's agent in its place"])
def test_an_app_is_installed_once_and_answers_as_every_agent(ready: Ready, tmp_path: Path, app: str) -> None:
    command = jvm_app() if app == "Kotlin's agent" else PYTHON_APP
    if not command:
        pytest.skip("the Kotlin classes are not there: make check-android")
    (ready.state / "agent.json").write_text(json.dumps(command))
    ones, twos = np.full((1, 4), 1, np.float32), np.full((1, 4), 2, np.float32)
    rows = [{"x": ones, "state": ones}, {"x": twos}]
    load = Load(android_jobs.sum_model(tmp_path), tmp_path, rows, {"total": "state"})
    brief = Stop(min_iters=5, max_ns=50_000_000)
    with ready.device.open() as link:
        assert link.facts()["model"] == "Phone 3"
        assert link.can_execute(load.artifact, "latency") is None
        outputs = launch(link, load, Config(mode="verify")).outputs
        assert [float(row["total"][0, 0]) for row in outputs] == [2, 4]
    with ready.device.open() as link:
        timed = launch(link, load, Config(mode="latency", warmup=brief, measure=brief), capture=False).result
    assert (timed.transport, timed.agent.kind, timed.runtime.name) == ("adb", "android", "onnxruntime")
    assert history.notes(timed)[0] == "in the app"
    assert timed.runs[0].error is None
    assert len(timed.runs[0].samples or []) >= 5
    assert [each.skin_c for each in timed.runs[0].env or []] == [31.4, 31.4]
    assert len((ready.state / "installs.txt").read_text().splitlines()) == 1
    assert sum("sum.onnx" in command and "tar -xf" in command for command in ready.phone.commands) == 1
    assert [each.name for each in ready.media.iterdir()] == ["files"]
    assert list((tmp_path / "phone").iterdir()) == []


@needs_adb
def test_another_build_of_the_app_takes_the_place_of_the_one_that_is_there(ready: Ready, tmp_path: Path) -> None:
    with ready.device.open() as link:
        before = link.agents(known("onnxruntime"))[0].version
    newer = make_apk(tmp_path / "newer.apk", ONNX_ID)
    newer.write_bytes(newer.read_bytes() + b"more")
    with ready.with_apk(newer).open() as link:
        assert link.agents(known("onnxruntime"))[0].version != before
    assert len((ready.state / "installs.txt").read_text().splitlines()) == 2


@needs_adb
def test_what_an_app_cannot_do_is_said_before_it_is_asked(ready: Ready, load: Load, tmp_path: Path) -> None:
    other = replace(
        load, artifact=load.artifact.model_copy(update={"runtime": Runtime(name="litert", minimum_version="1")})
    ).artifact
    with ready.device.open() as link:
        assert link.can_execute(other) == f"the app {ONNX_ID} has ONNX Runtime, not LiteRT"
        assert link.can_execute(load.artifact, "sustained") is None
        assert link.can_execute(load.artifact, "profile") == "no agent here does profile with ONNX Runtime"
    with ready.device.model_copy(update={"pin_cpus": (0,)}).open() as link:
        assert "pin_cpus" in (link.can_execute(load.artifact) or "")
    unknown = make_apk(tmp_path / "unknown.apk", "com.example.app")
    with pytest.raises(DeviceError, match=r"com\.example\.app/.* does not tell the runtime of unknown\.apk"):
        ready.with_apk(unknown).open().__enter__()


@needs_adb
def test_an_app_that_gives_no_answer_says_why(ready: Ready, load: Load) -> None:
    with ready.device.open() as link:
        for recorded, kind, said in (
            ("native-crash", CrashError, "ended in its phase measure: Native crash: Segmentation fault"),
            ("process-crashed", CrashError, r"ended in its phase load: Process crashed\."),
            ("system-crashed", DeviceError, r"was not executed: System has crashed\."),
            ("missing", DeviceError, "was not executed: Unable to find instrumentation info for: ComponentInfo"),
            ("no-job", DeviceError, r"has no result: cannot read .*Permission denied"),
        ):
            shutil.copy(RECORDED / f"instrument-{recorded}.txt", ready.state / "instrument.txt")
            with pytest.raises(DeviceError, match=f"the app {ONNX_ID} {said}") as caught:
                launch(link, load, Config(mode="verify"))
            assert type(caught.value) is kind
    assert not list(ready.media.glob("job-*"))


@needs_adb
def test_an_app_that_is_late_is_stopped(ready: Ready, load: Load) -> None:
    (ready.state / "agent.json").write_text('["sh", "-c", "sleep 100", "app"]')
    with ready.device.open() as link, pytest.raises(DeviceError, match=r"did not finish within 2 s.*phase=start"):
        launch(link, load, Config(mode="verify"), deadline_ns=2_000_000_000)
    assert (ready.state / "stopped.txt").read_text() == f"{ONNX_ID}\n"
    process = Path("/proc") / (ready.state / "running.txt").read_text() / "cmdline"
    assert not process.exists() or not process.read_bytes()  # of one that nobody waits for it is empty


@needs_adb
def test_a_phone_that_takes_no_app_says_what_helps(ready: Ready) -> None:
    for recorded, why, remedy in (
        ("update-incompatible", "signatures do not match newer version", "adb uninstall"),
        ("no-matching-abis", "INSTALL_FAILED_NO_MATCHING_ABIS", "abiFilters"),
    ):
        (ready.state / "install.txt").write_text((RECORDED / f"install-{recorded}.txt").read_text())
        with pytest.raises(DeviceError, match=rf"refuses app\.apk: .*{why}") as caught:
            ready.device.open().__enter__()
        assert remedy in caught.value.hint
    assert not (Path(ready.device.folder) / "app.apk").exists()
    (ready.state / "locked").touch()
    with pytest.raises(DeviceError, match="was not unlocked since it was started"):
        ready.device.open().__enter__()

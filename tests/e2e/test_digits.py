"""The main job on real input, from the recipe to the report."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from digits_run import DIGITS, DigitsRun, digits_text
from native import needs_native

from edgeship.apps.board import trust
from edgeship.apps.board import verify as board
from edgeship.toolchain.build.lines import Event
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.commands import bundle as bundling
from edgeship.toolchain.commands import run as runs
from edgeship.toolchain.commands.operators import operators
from edgeship.toolchain.commands.subjects import Calls
from edgeship.toolchain.devices.local import Local
from edgeship.toolchain.errors import EdgeshipError, RecipeError
from edgeship.toolchain.protocol.messages import Result
from edgeship.toolchain.recipe import read as recipes
from edgeship.toolchain.report import html as reports

TARGETS = ("onnx", "executorch", "litert")


def test_every_line_passes_through_its_real_runtime(digits: DigitsRun) -> None:
    assert runs.exit_code(digits.report) == 0
    assert [line.verdict for line in digits.report.lines] == ["pass"] * 6
    names = {e.executed_by.split()[0] for _, e in digits.report.rows if e and e.executed_by}
    assert names == {"onnxruntime", "executorch", "litert"}


@pytest.mark.parametrize("target", TARGETS)
def test_float_agrees_to_the_last_digits_and_int8_keeps_the_accuracy(digits: DigitsRun, target: str) -> None:
    plain, small = digits.execution("float", target), digits.execution("int8", target)
    assert plain.parity is not None
    assert plain.parity.sqnr_db > 90
    assert small.parity_float is not None
    assert small.parity_float.sqnr_db > 25
    assert plain.metric is not None
    assert small.metric is not None
    assert plain.metric.artifact > 0.98
    assert abs(plain.metric.artifact - small.metric.artifact) <= 0.01
    assert (digits.line("int8", target).size_ratio or 1) < 0.6


@pytest.mark.parametrize("target", TARGETS)
def test_int8_files_compute_in_integers(digits: DigitsRun, target: str) -> None:
    line = digits.line("int8", target)
    assert line.artifact is not None
    integer = sum(count for dtype, count in line.artifact.dtypes.items() if dtype in ("int8", "uint8"))
    assert integer > 10


@pytest.mark.parametrize(
    "target", [pytest.param(name, marks=needs_native) if name == "executorch" else name for name in TARGETS]
)
def test_a_measurement_is_a_process_without_torch_and_keeps_its_raw_samples(digits: DigitsRun, target: str) -> None:
    measured = digits.execution("int8", target).measurements[0]
    assert measured.latency_ns["p50"] > 0
    assert measured.peak_rss_bytes is not None
    assert "WITHIN_RUN_ONLY" in measured.flags
    result = Result.model_validate_json((digits.path / measured.file).read_text())
    assert len(result.runs[0].samples or []) >= 20
    assert not result.agent.imports_torch


def test_nothing_of_this_machine_is_in_a_shipped_file(digits: DigitsRun) -> None:
    for file in (digits.path / "artifacts").rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            for secret in (b"/examples/", b"site-packages", str(Path.home()).encode() + b"/", b'File "'):
                assert secret not in content, (file.name, secret)
    origins = [path.parent.name for path in (digits.path / "debug").glob("*/origins.json")]
    lines = [f"digits-{variant}-{target}" for variant in ("float", "int8") for target in sorted(TARGETS)]
    assert sorted(origins) == lines


@pytest.mark.parametrize("target", ["executorch", pytest.param("litert", marks=needs_native)])
def test_a_profile_names_the_module_of_each_layer(digits: DigitsRun, target: str) -> None:
    (file,) = (digits.path / "artifacts" / f"digits-int8-{target}").glob("model.*")
    (told,) = operators([file], Local(), Calls(), lambda note: None).files
    modules = [each.module for each in told.operators if each.module]
    assert modules[:3] == ["features.0", "features.3.layers.0", "features.3.layers.3"]
    assert (len(modules), modules[-1]) == (20, "head")
    assert told.total_ns > 0


def test_the_run_directory_holds_everything_and_the_report_can_be_made_again(digits: DigitsRun) -> None:
    folder = digits.path
    assert (folder / "recipe.toml").read_text() == digits.recipe.text
    assert len(json.loads((folder / "plan.json").read_text())) == 6
    assert (folder / "events.jsonl").read_text().count("\n") == len(digits.events)
    html = reports.write_html(digits.outcome.folder.report(), folder / "report.html").read_text()
    assert "within its sampling error of each other. So SQNR is drawn" in html  # equal accuracies would show nothing
    links = [unquote(link) for link in re.findall(r'href="([^"]+)"', html)]
    assert len([link for link in links if link.startswith("artifacts/")]) >= 6
    assert [link for link in links if not (folder / link).exists()] == []
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert "https://" not in html


def test_the_report_says_what_the_model_and_its_data_are(digits: DigitsRun) -> None:
    [facts] = digits.report.models
    assert facts.parameters == 61_002
    assert facts.macs == 1_758_976
    assert [tensor.name for tensor in (*facts.inputs, *facts.outputs)] == ["image", "logits"]
    calibration, evaluation = facts.data["calibration"], facts.data["evaluation"]
    assert (calibration.source, calibration.samples, calibration.classes) == ("python ./data.py:calibration", 128, 10)
    assert (evaluation.classes, evaluation.synthetic) == (10, False)


def test_again_with_nothing_changed_no_worker_starts(digits: DigitsRun, tmp_path: Path) -> None:
    events: list[Event] = []
    outcome = runs.run_into(tmp_path, digits.recipe, runs.Options(quick=True), events.append, digits.store)
    assert outcome.report.worker_peak_bytes == {}
    assert not [event for event in events if "launch" in event.text]
    ours, before = (
        [e.model_dump(exclude={"measurements"}) for _, e in report.rows if e]
        for report in (outcome.report, digits.report)
    )
    assert ours == before


def test_a_changed_target_option_rebuilds_that_line_only(digits: DigitsRun, tmp_path: Path) -> None:
    text = digits.recipe.text.replace("[targets.onnx]", '[targets.onnx]\nactivations = "int8"')
    recipe = recipes.parse(text, DIGITS, default_name="digits")
    events: list[Event] = []
    outcome = runs.run_into(tmp_path, recipe, runs.Options(measure=False), events.append, digits.store)
    converted = {event.line for event in events if event.text == "converting"}
    assert converted == {"digits-float-onnx", "digits-int8-onnx"}
    assert set(outcome.report.worker_peak_bytes) == {"onnx"}


@pytest.mark.slow
def test_a_corrupt_cache_entry_is_built_again(digits: DigitsRun, tmp_path: Path) -> None:
    # in a copy: other tests read the shared cache meanwhile
    shutil.copytree(digits.store.root / "entries", tmp_path / "cache" / "entries")
    store = Store(tmp_path / "cache")
    sound = next(digits.folder("float", "onnx").glob("*.onnx")).read_bytes()
    entries = [entry for entry in store.entries() if entry.kind == "artifact"]
    file = next(file for e in entries for file in e.folder.rglob("*.onnx") if file.read_bytes() == sound)
    file.write_bytes(sound[: len(sound) // 2])
    recipe = recipes.parse(digits_text(("float", "int8"), ("onnx",)), DIGITS, default_name="digits")
    outcome = runs.run_into(tmp_path, recipe, runs.Options(measure=False), lambda event: None, store)
    assert [line.verdict for line in outcome.report.lines] == ["pass", "pass"]
    assert file.read_bytes() == sound


@pytest.mark.slow
def test_too_few_calibration_samples_are_told_once(digits: DigitsRun, tmp_path: Path) -> None:
    text, count = re.subn(r"samples = 128", "samples = 3", digits_text(("int8",), ("onnx",)))
    assert count == 1
    recipe = recipes.parse(text, DIGITS, default_name="digits")
    outcome = runs.run_into(tmp_path, recipe, runs.Options(measure=False), lambda event: None, digits.store)
    for told in (outcome.report.warnings, outcome.report.lines[0].warnings):
        assert len([warning for warning in told if "3 samples" in warning]) == 1, told


def test_a_bundle_holds_what_passed_and_its_golden_answers(digits: DigitsRun, tmp_path: Path) -> None:
    keys, notes = tmp_path / "keys", []
    wishes = bundling.Wishes(["int8"], licences=[DIGITS / "README.md"], abis=["x86_64"])
    out = tmp_path / "digits.zip"
    manifest = bundling.bundle(digits.path, out, wishes, keys, notes.append)
    assert [artifact.name for artifact in manifest.artifacts] == [f"int8-{target}" for target in digits.report.targets]
    assert [note.split(":")[0] for note in notes] == [f"made keys in {keys}"]
    device = board.Device(trust.now(), compatible="digits", abi="x86_64", runtimes={"onnxruntime": "1.32.0"})
    verified = bundling.verify(out, keys / "roots" / "1.json", device)
    assert verified.artifacts == ("int8-onnx",)
    golden = manifest.golden
    assert golden.samples == bundling.MOST_GOLDEN
    [kept] = golden.inputs.values()
    stored = np.frombuffer(verified.files.read(f"files/{kept.sha256}"), "<f4").reshape(kept.shape)
    assert stored.shape == (16, 1, 1, 32, 32)
    answers = {
        name: np.frombuffer(verified.files.read(f"files/{outputs['logits'].sha256}"), "<f4").reshape(16, 10)
        for name, outputs in golden.outputs.items()
    }
    labels = np.frombuffer(verified.files.read(f"files/{golden.labels.sha256}"), f"<{golden.labels.dtype[0]}8")
    assert all((one.argmax(1) == labels).mean() > 0.9 for one in answers.values())
    again = tmp_path / "again.zip"
    bundling.bundle(digits.path, again, wishes, keys, notes.append)
    assert again.read_bytes() == out.read_bytes()


def test_what_must_not_ship_is_in_no_bundle(digits: DigitsRun, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(digits.path, run)
    report = json.loads((run / "report.json").read_text())
    spoiled = next(line for line in report["lines"] if (line["variant"], line["target"]) == ("int8", "litert"))
    spoiled["verdict"] = spoiled["executions"][0]["verdict"] = "fail"
    spoiled["executions"][0]["reasons"] = ["answers zeros"]
    (run / "report.json").write_text(json.dumps(report))
    out, keys, notes = tmp_path / "bundle", tmp_path / "keys", []
    manifest = bundling.bundle(run, out, bundling.Wishes(["int8"]), keys, notes.append)
    assert "int8-litert" not in {artifact.name for artifact in manifest.artifacts}
    assert "digits int8 → litert is left out: answers zeros" in notes
    for wishes, message in (
        (bundling.Wishes(["int8"], ["litert"]), "must not ship: answers zeros"),
        (bundling.Wishes(["int4"]), "no variant int4"),
        (bundling.Wishes(["int8"], model="voices"), "no model voices"),
        (bundling.Wishes(["int8"], licences=[tmp_path / "MIT.txt"]), "no such file"),
    ):
        with pytest.raises(EdgeshipError, match=message):
            bundling.bundle(run, tmp_path / "other", wishes, keys, notes.append)
    with pytest.raises(RecipeError, match="is there already"):
        bundling.bundle(run, out, bundling.Wishes(["int8"]), keys, notes.append)
    (run / "artifacts" / "digits-int8-onnx" / "model.onnx").write_bytes(b"another file")
    with pytest.raises(EdgeshipError, match="is not the file that"):
        bundling.bundle(run, tmp_path / "other", bundling.Wishes(["int8"]), keys, notes.append)
    assert not list(tmp_path.glob("*other*"))

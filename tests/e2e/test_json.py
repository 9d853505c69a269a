"""--json: one document on standard output, whatever happens, and the exit code that goes with it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import jsonschema
import pytest
from workplace import Workplace, recipe_text

SCHEMA = Path(__file__).parents[2] / "docs" / "edgeship-report-2.schema.json"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A project with a recipe of two lines, one of which is unsupported."""
    tmp = tmp_path_factory.mktemp("json")
    place = Workplace(tmp / "project", tmp / "cache")
    place.recipe("two.toml", recipe_text("torchscript", variants='float = []\nfp16 = ["cast-fp16"]'))
    return place


@pytest.mark.parametrize(
    ("arguments", "code", "message", "hint"),
    [
        (("run",), 2, "Missing argument", "see edgeship run --help"),
        (("check", "--bogus"), 2, "No such option", "see edgeship check --help"),
        (("bogus",), 2, "No such command", "see edgeship --help"),
        (("bench", "a.onnx", "--threads", "x"), 2, "--threads", "see edgeship bench --help"),
        (("inspect", os.fsdecode(b"caf\xe9.onnx")), 2, "is not UTF-8", "rename the file"),
        (("run", "gone.toml"), 2, "gone.toml: cannot be read", "init"),
        (("check", "model.py"), 2, "not valid TOML", ""),
        (("convert", "./model.py:build", "-t", "onnx"), 2, "inputs are not named", ""),
        (("verify", "gone.onnx", "--against", "recipe.toml"), 2, "no such file", "check the path"),
        (("bench", "gone.onnx"), 2, "no such file", "check the path"),
        (("inspect", "gone.onnx"), 2, "no such file", "check the path"),
        (("report", "."), 2, "there is no run", "edgeship run"),
        (("init",), 2, "there already", "--output"),
        (("init", "-o", "model.py/recipe.toml"), 4, "model.py", "check the path"),
    ],
)
def test_an_error_is_a_document_too(
    arguments: tuple[str, ...], code: int, message: str, hint: str, place: Workplace
) -> None:
    done = place.edgeship(*arguments, "--json")
    assert done.returncode == code, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert set(document) == {"error"}
    assert set(document["error"]) == {"message", "hint", "exit_code"}
    assert document["error"]["exit_code"] == code
    assert message in document["error"]["message"]
    assert hint in document["error"]["hint"]
    assert done.stderr == ""


def test_a_file_named_like_the_option_is_no_wish_for_json(place: Workplace) -> None:
    done = place.edgeship("inspect", "--", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--json: there is no such file" in done.stderr


@pytest.mark.slow
def test_a_run_names_its_folder_and_shows_progress_beside_its_document(place: Workplace) -> None:
    done = place.edgeship("run", "two.toml", "--no-measure", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    jsonschema.validate(report, json.loads(SCHEMA.read_text()))
    (folder,) = place.runs()
    assert place.folder / report["folder"] == folder
    assert (folder / report["lines"][0]["path"]).is_file()
    assert "folder" not in json.loads((folder / "report.json").read_text())  # which may be moved
    assert place.json("report") == report
    assert [re.sub(r"[0-9.]+ s", "0.1 s", line) for line in done.stderr.splitlines() if line.startswith("[")] == [
        "[1/2] tiny fp16 → torchscript: unsupported, 0.1 s",
        "[2/2] tiny float → torchscript: pass, 0.1 s",
    ]
    said = place.edgeship("report").stdout
    assert "launch" not in said
    assert "unsupported" in said
    assert f"  {report['folder']}/{report['lines'][0]['path']}" in said.splitlines()


def test_bench_says_figures_and_conditions_and_keeps_raw_samples_for_a_file(place: Workplace) -> None:
    if not place.runs():
        place.json("run", "two.toml", "--no-measure")
    (file,) = place.runs()[0].glob("artifacts/*/model.pt*")
    found = place.json("bench", file, file, "--quick", "--out", "raw.json")
    assert found["schema"] == "edgeship-bench/1"
    assert (found["quick"], found["protocol"]["launches"]) == (True, 1)
    first, second = found["files"]
    assert first["file"] == second["file"] == str(file)
    measured = first["measurement"]
    assert measured["latency_ns"]["p50"] > 0
    assert measured["inputs"] == {"image": [1, 3, 16, 16]}
    assert "WITHIN_RUN_ONLY" in measured["flags"]
    assert len(json.dumps(found, indent=1).splitlines()) < 300
    raw = json.loads((place.folder / "raw.json").read_text())
    assert [entry["file"] for entry in raw] == [str(file), str(file)]
    assert raw[0]["result"]["schema"] == "bench-result/1"
    assert raw[0]["result"]["runs"][0]["samples"]


@pytest.mark.slow
def test_bench_says_whether_a_file_falls_behind_its_baseline(place: Workplace) -> None:
    if not place.runs():
        place.json("run", "two.toml", "--no-measure")
    (file,) = place.runs()[0].glob("artifacts/*/model.pt*")
    options = ("--launches", "2", "--seconds", "0.02", "--inconclusive", "pass")
    found = place.json("bench", file, "--against", file, *options)
    (compared,) = found["comparisons"]
    assert [each["file"] for each in found["files"]] == [str(file), str(file)]
    assert (compared["schema"], compared["pairs"], compared["together"]) == ("edgeship-compare/1", 2, 1)
    assert (compared["verdict"], compared["reason"]) == ("inconclusive", "fewer than 5 pairs")
    wrong = place.json("bench", file, file, file, "--against", file, "--against", file, code=2)
    assert wrong["error"]["message"] == "--against is given 2 times for 3 files"


def test_every_command_that_shows_something_answers_with_a_document(tmp_path: Path, place: Workplace) -> None:
    assert {"line", "spec", "unsupported"} == set(place.json("check", "recipe.toml")[0])
    assert {row["group"] for row in place.json("targets")} >= {"passes", "targets"}
    assert all(set(row) == {"what", "found", "for", "remedy"} for row in place.json("doctor"))
    assert set(place.json("cache")) == {"root", "limit_bytes", "cleared", "kinds"}
    (tmp_path / "new").mkdir()
    new = Workplace(tmp_path / "new", tmp_path / "cache")
    written = new.json("init")
    assert written["next"] == "edgeship check recipe.toml"
    assert all((new.folder / path).is_file() for path in written["written"])

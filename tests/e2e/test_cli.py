"""Every command as a user calls it: what it says, in text and in JSON, and how it exits."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from tiny_files import TinyFiles
from workplace import Workplace, recipe_text

COMMANDS = (
    "init",
    "check",
    "tune",
    "run",
    "convert",
    "verify",
    "bench",
    "compare",
    "soak",
    "inspect",
    "operators",
    "rehearse",
    "history",
    "report",
    "targets",
    "profiles",
    "devices",
    "doctor",
    "cache",
)
TARGETS = ("onnx", "executorch", "litert", "torchscript")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A project whose recipe ran once, float and int8 on ONNX, float elsewhere."""
    tmp = tmp_path_factory.mktemp("cli")
    place = Workplace(tmp / "project", tmp / "cache")
    place.recipe("all.toml", recipe_text(*TARGETS))
    done = place.edgeship("run", "all.toml", "--quick")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[4/4] tiny float → " in done.stderr
    (tmp / "said.txt").write_text(done.stdout)
    return place


def artifact(place: Workplace, target: str) -> Path:
    return next((place.runs()[0] / "artifacts" / f"tiny-float-{target}").glob("model.*"))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_it_does_and_its_usage_has_no_braces(command: str, tmp_path: Path) -> None:
    done = Workplace(tmp_path / "project", tmp_path / "cache").edgeship(command, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: edgeship {command} [OPTIONS]")
    assert "{" not in done.stdout.partition("\n\n")[0]
    assert not (tmp_path / "cache").exists()


def test_the_list_of_commands_cuts_no_sentence_and_names_the_exit_codes(tmp_path: Path) -> None:
    said = Workplace(tmp_path / "project", tmp_path / "cache").edgeship("--help").stdout
    for command in COMMANDS:
        line = next(line for line in said.splitlines() if line.startswith(f"  {command} "))
        assert line.endswith(".")
        assert not line.endswith("...")
    for code in ("0 fine", "1 a line failed", "2 the recipe", "4 something is missing", "5 a device"):
        assert code in " ".join(said.split())


def test_init_writes_a_sample_that_runs_green_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    place = Workplace(tmp_path / "empty", tmp_path / "cache")
    done = place.edgeship("init")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "next: edgeship check recipe.toml")
    assert json.loads((place.folder / "edgeship-recipe.schema.json").read_text())["type"] == "object"
    lines = place.json("check", "recipe.toml")
    assert [line["line"] for line in lines][:2] == ["digits-float-executorch", "digits-float-onnx"]
    report = place.json("run", "recipe.toml", "--quick", "--target", "onnx")
    assert [(line["variant"], line["verdict"]) for line in report["lines"]] == [("float", "pass"), ("int8", "pass")]
    assert all(line["executions"][0]["metric"]["artifact"] > 0.98 for line in report["lines"])
    assert report["warnings"] == []
    before = {path: path.read_bytes() for path in place.folder.glob("*.*")}
    assert place.edgeship("init").returncode == 2  # never overwritten
    assert before == {path: path.read_bytes() for path in place.folder.glob("*.*")}


@pytest.mark.slow
def test_init_for_a_model_writes_a_recipe_that_check_takes(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "project", tmp_path / "cache")
    done = place.edgeship("init", "./model.py:build", "-o", "own.toml")
    assert (done.returncode, "add --input input:SHAPE[:DTYPE]" in done.stderr) == (2, True)
    done = place.edgeship("init", "own.toml")
    assert (done.returncode, "edgeship init --output own.toml" in done.stderr) == (2, True)
    assert not (place.folder / "own.toml").exists()
    done = place.edgeship("init", "./model.py:build", "-o", "own.toml", "-i", "image:batch[1-8]x3x16x16")
    assert done.returncode == 0, done.stderr
    assert [line["line"] for line in place.json("check", "own.toml")] == [
        f"model-float-{target}" for target in ("executorch", "onnx", "litert")
    ]
    assert 'factory = "./model.py:build"' in (place.folder / "own.toml").read_text()
    done = place.edgeship("init", "torchvision.models:mobilenet_v3_small", "-o", "vision.toml")
    assert done.returncode == 0, done.stderr
    text = (place.folder / "vision.toml").read_text()
    assert "shape = [1, 3, 224, 224]" in text  # as its weights' transform says
    assert "torchvision's MobileNet_V3_Small_Weights" in text


def test_a_wrong_recipe_names_every_problem_with_its_place_and_remedy(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "project", tmp_path / "cache")
    text = recipe_text("onnx", "onxx", variants='a = ["quantize-static", "prune-structured"]\nb = "float"')
    text = text.replace("[model]", '[model]\nweigths = "x.pt"').replace("3, 16, 16]", "3, 16, 0]")
    for command in ("check", "run"):
        done = place.edgeship(command, place.recipe("wrong.toml", text + "[bench]\nthreads = 0\n[bulid]\n"))
        assert done.returncode == 2
        assert done.stdout == ""
        for said in (
            "bulid: there is no such table", "did you mean 'build'?", "model.weigths: there is no such key",
            "did you mean 'weights'?", "variants.a[1]: prune-structured works on the module", "move it up",
            "variants.b: must be a list", "targets.onxx: there is no target", "did you mean 'onnx'?",
            "bench.threads: Input should be a list (got 0)",
        ):  # fmt: skip
            assert said in done.stderr, done.stderr
    assert place.runs() == []
    done = place.edgeship("check", place.recipe("gone.toml", recipe_text("onnx").replace("model.py", "gone.py")))
    assert (done.returncode, "gone.py" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run",), "Missing argument 'RECIPE'"),
        (("bogus",), "No such command 'bogus'"),
        (("run", "gone.toml"), "gone.toml: cannot be read"),
        (("run", "model.py"), "not valid TOML"),
        (("inspect", "gone.onnx"), "there is no such file"),
        (("inspect", "model.py"), "not a kind of file edgeship knows"),
        (("bench", "gone.pte", "--quick"), "there is no such file"),
        (("report", "."), "there is no run"),
        (("convert", "./model.py:build", "-t", "onnx"), "inputs are not named"),
        (("convert", "./model.py:build", "-t", "onnx", "-i", "image"), "not NAME:SHAPE"),
        (("convert", "./model.py:build", "-t", "onnx", "-i", "image:1x3x16x16", "-v", "int7"), "short name"),
        (("convert", "./gone.py:build", "-t", "onnx", "-i", "image:1x3x16x16"), "gone.py"),
        (("convert", "./model.py", "-t", "onnx", "-i", "image:1x3x16x16"), "write ./model.py:"),
        (("convert", "./gone.py", "-t", "onnx", "-i", "image:1x3x16x16"), "'./gone.py' names no function"),
        (("convert", "torchvision.models", "-t", "onnx", "-i", "x:1x3x16x16"), "names no function"),
        (("convert", "./model.py:build", "-t", "onnx", "-i", "x:1x3x16x16", "-a", "n"), "not NAME=VALUE"),
        (("convert", "./model.py:build", "-t", "onnx", "-i", "x:1x3x16x16", "--metric", "top1"), "add --evaluation"),
        (("convert", "./model.py:build", "-t", "onnx", "-i", "x:1x3x16x16", "--name", "a/b"), "cannot be a name"),
        (("convert", "./model.py:build", "-t", "onnx", "-i", "x:1x3x16x16", "--preprocess", "mean=0"), "holds any"),
        (
            ("bench", "model.py", "--threads", "-1", "--seconds", "nan"),
            "bench.seconds: Input should be a finite number",
        ),
        (("bench", "model.py", "--size", "batch"), "not NAME=SIZE"),
        (("inspect", os.fsdecode(b"caf\xe9.onnx")), "is not UTF-8"),
        (("run", "recipe.toml", "--target", "onxx"), "the recipe has no target onxx"),
        (("run", "recipe.toml", "--variant", "int4"), "it has float, int8"),
        (("verify", "gone.onnx", "--against", "recipe.toml"), "there is no such file"),
    ],
)
def test_a_wrong_command_line_exits_2_with_one_message(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = Workplace(tmp_path / "project", tmp_path / "cache").edgeship(*arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert done.stdout == ""


def test_run_ends_in_a_table_and_the_path_of_a_report(place: Workplace) -> None:
    said = (place.folder.parent / "said.txt").read_text()
    rows = said.splitlines()[1:5]
    assert [row.split()[:3] for row in rows] == [["float", target, "pass"] for target in TARGETS]
    assert "4 lines: 4 pass" in said
    path = said.splitlines()[-1].removeprefix("report: ")
    assert (place.folder / path).read_text().startswith("<!doctype html>")


def test_run_again_says_the_same_as_one_json_document(place: Workplace) -> None:
    report = place.json("run", "all.toml", "--quick")
    assert report["schema"] == "edgeship-report/2"
    assert [line["verdict"] for line in report["lines"]] == ["pass"] * 4
    assert place.json("report") == report
    kept = [entry for entry in place.json("history") if entry["figure"] == "size_bytes"]
    sizes = {line["artifact"]["size_bytes"] for line in report["lines"]}
    assert sizes <= {entry["value"] for entry in kept}
    assert "same file" in place.edgeship("history", "--figure", "size_bytes").stdout or len(kept) == len(sizes)
    assert place.edgeship("history", "--figure", "weight").returncode == 2
    assert place.json("report", place.runs()[0])["lines"] == report["lines"]
    assert "4 lines: 4 pass" in place.edgeship("report").stdout


def test_an_unsupported_pair_is_shown_and_costs_no_exit_code(place: Workplace) -> None:
    recipe = place.recipe("fp16.toml", recipe_text("torchscript", variants='float = []\nfp16 = ["cast-fp16"]'))
    assert {line["unsupported"] is None for line in place.json("check", recipe)} == {True, False}
    report = place.json("run", recipe, "--no-measure")
    assert [line["status"] for line in report["lines"]] == ["ok", "unsupported"]


def test_verify_tells_a_sound_file_from_a_broken_one(place: Workplace, tmp_path: Path) -> None:
    sound = artifact(place, "onnx")
    model = ("--against", "./model.py:build", "--data", "./data.py:images", "-i", "image:1x3x16x16")
    verdict = place.json("verify", sound, *model)
    assert verdict["verdict"] == "pass"
    assert verdict["against_float"]["sqnr_db"] > 60
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(sound)
    weight = next(tensor for tensor in graph.graph.initializer if len(tensor.dims) == 4)
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * 1.05, weight.name))
    broken = tmp_path / "broken.onnx"
    onnx.save(graph, broken)
    assert place.json("verify", broken, *model, code=1)["verdict"] == "fail"
    said = place.edgeship("verify", broken, *model)
    assert (said.returncode, "SQNR against the float model is" in said.stdout) == (1, True)


@pytest.mark.parametrize("target", TARGETS)
def test_verify_takes_the_model_from_a_recipe_for_every_runtime(target: str, place: Workplace) -> None:
    assert place.json("verify", artifact(place, target), "--against", "recipe.toml")["verdict"] == "pass"


def test_a_manifest_that_describes_another_file_is_named(place: Workplace, tmp_path: Path) -> None:
    shutil.copytree(artifact(place, "onnx").parent, tmp_path / "cut")
    file = tmp_path / "cut" / "model.onnx"
    file.write_bytes(file.read_bytes()[:-100])
    done = place.edgeship("verify", file, "--against", "recipe.toml")
    assert done.returncode == 1
    assert "is not the file that artifact.json describes" in done.stderr


def test_compare_says_what_two_launches_allow_and_what_a_core_cannot_tell(place: Workplace) -> None:
    file = artifact(place, "onnx")
    found = place.json("compare", file, file, "--pairs", "2", "--seconds", "0.1", code=3)
    assert (found["schema"], found["verdict"], found["pairs"]) == ("edgeship-compare/1", "inconclusive", 2)
    assert found["reason"] == "fewer than 5 pairs"
    core = "{ device = 'emulated', cpu = 'cortex-a53' }"
    refused = place.edgeship("compare", file, file, "--device", core, "--quantity", "latency")
    assert refused.returncode == 2
    assert "it has no latency" in refused.stderr
    assert "devices that have time: local" in " ".join(refused.stderr.split())


@pytest.mark.slow  # bench of one file, and its document, are in test_json
def test_bench_measures_files_beside_each_other(place: Workplace) -> None:
    files = [artifact(place, target) for target in TARGETS]
    results = place.json("bench", *files, "--quick", "-i", "image:1x3x16x16")
    assert all(result["measurement"]["latency_ns"]["p50"] > 0 for result in results["files"])
    said = place.edgeship("bench", files[0], "--quick").stdout
    assert said.splitlines()[0].split()[:3] == ["file", "p50", "ms"]
    assert "inputs: image 1x3x16x16" in said
    four = place.edgeship("bench", files[0], "--quick", "--size", "batch=4")
    assert "inputs: image 4x3x16x16" in four.stdout
    done = place.edgeship("bench", files[0], "--quick", "--size", "width=4")
    assert (done.returncode, "they have batch" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    "format",
    [
        "onnx",
        *(
            pytest.param(format, marks=pytest.mark.slow)
            for format in ("executorch", "litert", "coreai", "torchscript", "torchscript_lite", "torch")
        ),
    ],
)
def test_inspect_looks_into_files_of_every_kind(format: str, tiny_files: TinyFiles, tmp_path: Path) -> None:
    file = tiny_files.get("conv_net", format)
    place = Workplace(tmp_path / "project", tmp_path / "cache")
    about = place.json("inspect", file.folder / file.artifact.file)
    assert about["format"] == format
    assert about["size_bytes"] > 1000
    assert about["operators"]
    assert about["dtypes"]
    done = place.edgeship("inspect", file.folder / file.artifact.file)
    assert done.stdout.startswith(str(file.folder / file.artifact.file))
    assert done.stderr == ""


def test_targets_and_doctor_list_everything_with_its_documentation(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "project", tmp_path / "cache")
    rows = place.json("targets")
    assert {row["group"] for row in rows} == {"analyses", "passes", "targets", "datasets", "metrics", "devices"}
    assert all(row["about"] for row in rows)
    assert {"python", "torch", "onnxruntime", "g++"} <= {row["what"] for row in place.json("doctor")}
    assert "executorch" in place.edgeship("targets").stdout
    assert "torch" in place.edgeship("doctor").stdout


def test_cache_shows_and_empties(place: Workplace, tmp_path: Path) -> None:
    shutil.copytree(place.cache, tmp_path / "cache")
    own = Workplace(place.folder, tmp_path / "cache")
    kinds = own.json("cache")["kinds"]
    assert kinds["artifact"]["entries"] == 4
    assert own.json("cache", "--clear")["cleared"]
    assert own.json("cache")["kinds"] == {}
    assert str(tmp_path / "cache") in own.edgeship("cache").stdout


def test_convert_needs_no_recipe(place: Workplace) -> None:
    report = place.json(
        *("convert", "./model.py:build", "-i", "image:batch[1-8]x3x16x16", "-t", "onnx", "-v", "float", "-v", "int8"),
        *("--calibration", "./data.py:images", "--no-measure"),
    )
    assert [(line["variant"], line["verdict"]) for line in report["lines"]] == [("float", "pass"), ("int8", "pass")]


def photos(folder: Path) -> Path:
    """A few pictures, as a phone has them."""
    from PIL import Image

    folder.mkdir()
    random = np.random.default_rng(0)
    for index in range(40):
        small = Image.fromarray(random.integers(0, 256, (5, 4, 3), dtype=np.uint8))
        small.resize((40, 50)).save(folder / f"{index}.{'png' if index % 2 else 'jpg'}")
    return folder


@pytest.mark.slow
def test_convert_takes_a_folder_of_photos_and_saves_the_recipe_that_does_the_same(place: Workplace) -> None:
    photos(place.folder / "photos")
    command = ("convert", "./model.py:build", "-i", "image:1x3x16x16", "-t", "onnx", "-v", "float", "-v", "int8")
    command = (*command, "--calibration", "./photos", "--no-measure")
    done = place.edgeship(*command)
    assert done.returncode == 2
    assert "neither the command line nor the model says" in done.stderr
    assert "--preprocess 'mean=[0.485, 0.456, 0.406]" in done.stderr
    done = place.edgeship(*command, "--preprocess", "maen=0")
    assert (done.returncode, "--preprocess: maen" in done.stderr) == (2, True)
    said = ("--preprocess", "mean=0.5, std=0.25", "--name", "mine", "--save-recipe", "recipes/own.toml")
    (place.folder / "recipes").mkdir()
    done = place.edgeship(*command, *said)
    assert done.returncode == 0, done.stderr
    assert "note: preprocess: to the input's shape: mean=[0.5], std=[0.25], resize=16, crop=[16, 16]" in done.stderr
    saved = place.folder / "recipes" / "own.toml"
    assert 'path = "../photos"' in saved.read_text()
    assert saved.read_text().startswith("# preprocess: to the input's shape")
    first, second = place.json("report"), place.json("run", saved, "--no-measure")
    assert second["name"] == "mine"
    facts = ("variant", "target", "spec", "verdict", "executions")
    assert [[line[key] for key in facts] for line in first["lines"]] == [
        [line[key] for key in facts] for line in second["lines"]
    ]
    assert [line["artifact"]["sha256"] for line in first["lines"]] == [
        line["artifact"]["sha256"] for line in second["lines"]
    ]
    done = place.edgeship(*command, *said)
    assert (done.returncode, "there already" in done.stderr) == (2, True)
    only = place.json("run", saved, "--no-measure", "--variant", "int8")
    assert [line["variant"] for line in only["lines"]] == ["int8"]


@pytest.mark.slow
def test_convert_asks_the_model_how_it_wants_its_photos(place: Workplace) -> None:
    (place.folder / "declared.py").write_text(
        "from model import build as trained\n\n\n"
        "def build(mean):\n"
        "    net = trained()\n"
        "    net.default_cfg = {'mean': (mean,) * 3, 'std': (0.25,) * 3, 'input_size': (3, 32, 32), 'crop_pct': 1.0}\n"
        "    return net\n"
    )
    photos(place.folder / "own-photos")
    done = place.edgeship(
        *("convert", "./declared.py:build", "--argument", "mean=0.5", "-i", "image:1x3x16x16", "-t", "onnx"),
        *("--evaluation", "./own-photos", "--no-measure"),
    )
    assert done.returncode == 0, done.stderr
    assert "note: preprocess: timm's configuration: " in done.stderr
    assert "mean=[0.5, 0.5, 0.5], std=[0.25, 0.25, 0.25]" in done.stderr
    assert "crop=[16, 16]" in done.stderr

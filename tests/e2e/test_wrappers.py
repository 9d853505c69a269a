"""Wrappers of the digits' bundles, in Python and C++, by each runtime: golden samples, and digits as pictures."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from digits_run import DIGITS, DigitsRun, digits_text
from native import APPS, compiled, needs_compiler

from edgeship.apps.board import trust
from edgeship.apps.board import verify as board
from edgeship.apps.linux.python.edgeship_contract import Artifact
from edgeship.calibration.preprocess import Preprocess
from edgeship.toolchain.commands import bundle as bundling
from edgeship.toolchain.commands import codegen as generating
from edgeship.toolchain.commands import run as runs
from edgeship.toolchain.errors import RecipeError
from edgeship.toolchain.recipe import read as recipes
from edgeship.toolchain.recipe.text import tables

pytestmark = pytest.mark.heavy

RUNTIMES = ("onnxruntime", "executorch", "litert")
COUNT = 599
PYTHON = """
import sys
from pathlib import Path
import numpy as np
from board.trust import anchor, now
from board.verify import Device, verify
from edgeship_contract import Picture
from digits import Digits

bundle = verify(Path(sys.argv[1]), anchor(Path(sys.argv[2]).read_bytes()), Device(now()))
digits = Digits.open(bundle, sys.argv[3], Path(sys.argv[4]))
pictures = np.fromfile(sys.argv[5], np.uint8).reshape(-1, 32 * 32 * 4)
answers = [digits.predict(Picture(one.tobytes(), 32, 32)) for one in pictures]
np.concatenate([answer.logits for answer in answers]).tofile(sys.argv[6])
print(answers[0].best(3))
"""
CPP = """
#include <fstream>
#include <iterator>
#include "edgeship/onnxruntime.hpp"
#include "digits.hpp"

int main(int, char** words) {
  const Digits digits(words[1], edgeship::onnxruntime_engine());
  std::ifstream stream(words[2], std::ios::binary);
  const std::vector<char> pictures{std::istreambuf_iterator<char>(stream), {}};
  std::ofstream out(words[3], std::ios::binary);
  const size_t size = 32 * 32 * 4;
  for (size_t at = 0; at < pictures.size(); at += size) {
    const edgeship::Picture picture(reinterpret_cast<const uint8_t*>(&pictures[at]), size, 32, 32);
    const DigitsAnswer answer = digits.predict(picture);
    out.write(reinterpret_cast<const char*>(answer.logits.bytes.data()), std::streamsize(answer.logits.bytes.size()));
  }
}
"""


@pytest.fixture(scope="module")
def place(digits: DigitsRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """digits.zip of int8 for three runtimes with all samples, keys, the digits as pictures, and as prepared inputs."""
    folder = tmp_path_factory.mktemp("codegen")
    wishes = bundling.Wishes(["int8"], samples=COUNT)
    bundling.bundle(digits.path, folder / "digits.zip", wishes, folder / "keys", lambda note: None)
    for language in ("python", "cpp"):
        generating.codegen(folder / "digits.zip", language, folder / language, folder / "keys/roots/1.json", None)
    verified = board.verify(
        folder / "digits.zip", trust.anchor((folder / "keys/roots/1.json").read_bytes()), board.Device(trust.now())
    )
    for runtime in RUNTIMES:
        Artifact.of(verified, runtime).unpack(folder / runtime, golden=True)
    artifact = Artifact.of(verified, "onnxruntime")
    (folder / "config").write_text(json.dumps(artifact.about["runtime"]["options"]["config"]))
    given, _ = artifact.golden()
    pictures = np.full((COUNT, 32, 32, 4), 255, np.uint8)
    pictures[..., :3] = np.round(given[0].reshape(COUNT, 32, 32, 1) * 255)
    pictures.tofile(folder / "pictures")
    said = tables((DIGITS / "recipe.toml").read_text(), "recipe.toml")["contract"]["pictures"]["image"]
    preprocess = Preprocess.model_validate(said)
    np.stack([preprocess.apply(picture[..., :3]) for picture in pictures]).tofile(folder / "prepared")
    return folder


@pytest.fixture(scope="module")
def folded(
    request: pytest.FixtureRequest, digits: DigitsRun, place: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The same of a file that has the contract in its graph, with the keys of `place`; the folder is called after the
    runtime."""
    folder = tmp_path_factory.mktemp(request.param, numbered=False)
    target = {"onnxruntime": "onnx"}.get(request.param, request.param)
    text = digits_text(("int8",), (target,)).replace("[contract]", "[contract]\nin_graph = true")
    recipe = recipes.parse(text, DIGITS, default_name="digits")
    made = runs.run_into(folder / "runs", recipe, runs.Options(measure=False), lambda event: None, digits.store)
    wishes = bundling.Wishes(["int8"], samples=COUNT)
    bundling.bundle(made.folder.path, folder / "digits.zip", wishes, place / "keys", lambda note: None)
    root = place / "keys/roots/1.json"
    for language in ("python", "cpp"):
        generating.codegen(folder / "digits.zip", language, folder / language, root, None)
    verified = board.verify(folder / "digits.zip", trust.anchor(root.read_bytes()), board.Device(trust.now()))
    Artifact.of(verified, folder.name).unpack(folder / "files", golden=True)
    return folder


def by(*runtimes: object) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("folded", runtimes, indirect=True)


EXECUTORCH = pytest.param("executorch", marks=pytest.mark.slow)  # half a minute more


def python(place: Path, *words: object) -> str:
    path = ":".join(map(str, (APPS, APPS / "linux/python", place / "python")))
    done = subprocess.run(
        [sys.executable, *map(str, words)], capture_output=True, text=True, check=False, env={"PYTHONPATH": path}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def golden_in_cpp(place: Path, runtime: str, files: Path) -> str:
    """What the golden test in C++ says."""
    flags = [f'-DENGINE_HEADER="edgeship/{runtime}.hpp"', f"-DENGINE={runtime}_engine"]
    flags += ["-Wno-conversion", "-Wno-shadow"] if runtime == "executorch" else []  # its headers' templates
    program = compiled(place / "cpp/golden_digits.cpp", place / f"golden-{runtime}", flags, runtime)
    done = subprocess.run([program, files, place / "cpp/golden"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def expected(place: Path) -> np.ndarray:
    """The logits of the pictures that Python's own preprocessing makes."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    for key, value in json.loads((place / "config").read_text()).items():
        settings.add_session_config_entry(key, value)
    session = onnxruntime.InferenceSession(place / "onnxruntime/model.onnx", settings)
    images = np.fromfile(place / "prepared", np.float32).reshape(COUNT, 1, 1, 32, 32)
    return np.concatenate([session.run(["logits"], {"image": image})[0] for image in images])


def agree(found: np.ndarray, place: Path) -> int:
    logits = expected(place)
    assert np.abs(found - logits).max() < 1e-5
    return int((found.argmax(1) == logits.argmax(1)).sum())


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_wrapper_in_python_answers_golden_samples_by_every_runtime(runtime: str, place: Path) -> None:
    said = python(place, place / "python/golden_digits.py", place / "digits.zip", runtime)
    assert f"{COUNT} of {COUNT} of the same class as in Python" in said
    assert "image: as in Python" in said
    print(f"Python, {runtime}: {said}")


@needs_compiler
@pytest.mark.parametrize("runtime", ["onnxruntime", "executorch"])
def test_the_wrapper_in_cpp_answers_golden_samples(runtime: str, place: Path) -> None:
    said = golden_in_cpp(place, runtime, place / runtime)
    assert f"{COUNT} of {COUNT} of the same class as in Python" in said
    assert "image: as in Python" in said
    print(f"C++, {runtime}: {said}")


def test_pictures_of_digits_are_classified_in_python_as_by_the_toolchain(place: Path) -> None:
    (place / "use.py").write_text(PYTHON)
    bundle, root = place / "digits.zip", place / "keys/roots/1.json"
    said = python(
        place, place / "use.py", bundle, root, "onnxruntime", place / "use", place / "pictures", place / "logits"
    )
    found = np.fromfile(place / "logits", np.float32).reshape(COUNT, 10)
    assert agree(found, place) == COUNT
    assert said.startswith(f"[('{found[0].argmax()}', {found[0].argmax()}, 0.")


@needs_compiler
def test_pictures_of_digits_are_classified_in_cpp_as_by_the_toolchain(place: Path) -> None:
    (place / "use.cpp").write_text(CPP)
    program = compiled(place / "use.cpp", place / "use-cpp", [f"-I{place / 'cpp'}"], "onnxruntime")
    subprocess.run([program, place / "onnxruntime", place / "pictures", place / "logits-cpp"], check=True)
    found = np.fromfile(place / "logits-cpp", np.float32).reshape(COUNT, 10)
    assert agree(found, place) == COUNT


@by("onnxruntime", EXECUTORCH)
def test_a_wrapper_in_python_gives_bytes_to_a_file_that_has_the_contract_in_its_graph(folded: Path) -> None:
    said = python(folded, folded / "python/golden_digits.py", folded / "digits.zip", folded.name)
    assert f"{COUNT} of {COUNT} of the same class as in Python" in said
    assert "image: as in Python" in said


@needs_compiler
@by("onnxruntime", EXECUTORCH)
def test_a_wrapper_in_cpp_gives_bytes_to_a_file_that_has_the_contract_in_its_graph(folded: Path) -> None:
    said = golden_in_cpp(folded, folded.name, folded / "files")
    assert f"{COUNT} of {COUNT} of the same class as in Python" in said
    assert "image: as in Python" in said


@by("onnxruntime")
def test_a_file_with_the_contract_in_its_graph_answers_the_softmax_of_the_other_one(place: Path, folded: Path) -> None:
    (folded / "use.py").write_text(PYTHON)
    words = [folded / "use.py", folded / "digits.zip", place / "keys/roots/1.json", "onnxruntime", folded / "use"]
    said = python(folded, *words, place / "pictures", folded / "probabilities")
    found = np.fromfile(folded / "probabilities", np.float32).reshape(COUNT, 10)
    powers = np.exp(expected(place))
    assert np.abs(found - powers / powers.sum(1, keepdims=True)).max() < 1e-5
    best = int(found[0].argmax())
    assert ast.literal_eval(said)[0] == (str(best), best, float(found[0, best]))


def test_a_changed_model_fails_the_golden_test(place: Path) -> None:
    changed = place / "changed"
    changed.mkdir()
    source = (place / "python/digits.py").read_text()
    (changed / "digits.py").write_text(source.replace('colour="grey"', 'colour="grey", mean=(0.1,)'))
    for name in ("golden_digits.py", "golden"):
        (changed / name).symlink_to(place / "python" / name)
    path = ":".join(map(str, (changed, APPS, APPS / "linux/python")))
    words = [changed / "golden_digits.py", place / "digits.zip", "onnxruntime"]
    done = subprocess.run(
        [sys.executable, "-P", *map(str, words)], capture_output=True, text=True, check=False, env={"PYTHONPATH": path}
    )
    assert done.returncode == 1
    assert "image: not as in Python" in done.stdout


def test_a_file_of_somebody_else_is_not_written_over(place: Path, tmp_path: Path) -> None:
    (tmp_path / "digits.py").write_text("mine")
    with pytest.raises(RecipeError, match=r"digits\.py: is there already, and was not written by codegen"):
        generating.codegen(place / "digits.zip", "python", tmp_path, place / "keys/roots/1.json", None)
    assert [file.name for file in tmp_path.iterdir()] == ["digits.py"]
    generating.codegen(place / "digits.zip", "python", place / "python", place / "keys/roots/1.json", None)

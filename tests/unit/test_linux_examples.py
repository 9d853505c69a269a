"""The examples for boards and generated golden tests, by a small model that tells dark pictures from bright."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import Sound, manifest_of, ring
from native import APPS, compiled, needs_compiler

from edgeship.apps.linux.python.edgeship_contract import engines, sqnr_db
from edgeship.toolchain.bundle.contents import Contents
from edgeship.toolchain.bundle.keys import Keys
from edgeship.toolchain.commands.codegen import codegen
from edgeship.toolchain.errors import RecipeError

pytestmark = pytest.mark.heavy

LIMIT_DB = 40.0
LIBRARY = """
#include <cstdio>
extern "C" void *RegisterCustomOps(void *, const void *) { std::fclose(std::fopen("registered", "w")); return nullptr; }
"""
"""What ONNX Runtime calls, without its header: registers nothing, and leaves a mark where the program runs."""
Bundle = Callable[..., Path]


def model(file: Path) -> None:
    """Two large logits of a picture's mean, and the mean itself, which is small."""
    from onnx import TensorProto, helper, save

    def tensor(name: str, shape: list[int]) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    weights = {"bright": [[-1000.0, 1000.0]], "dark": [[500.0, -500.0]], "little": [[1e-3]]}
    values = [
        helper.make_tensor(name, TensorProto.FLOAT, np.shape(value), np.ravel(value)) for name, value in weights.items()
    ]
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "bright"], ["scaled"]),
        helper.make_node("Add", ["scaled", "dark"], ["logits"]),
        helper.make_node("Mul", ["flat", "little"], ["mean"]),
    ]
    outputs = [tensor("logits", [1, 2]), tensor("mean", [1, 1])]
    graph = helper.make_graph(nodes, "light", [tensor("image", [1, 1, 4, 4])], outputs, values)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return ring(tmp_path_factory.mktemp("ring") / "keys")


@pytest.fixture(scope="module")
def bundle(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Makes bundles called digits: `off` times their mean, with runtime options and a day on which they expire."""
    made = tmp_path_factory.mktemp("model")
    model(made / "model.onnx")
    subprocess.run(
        ["g++", "-shared", "-fPIC", "-xc++", "-", "-o", made / "libops.so"], input=LIBRARY, text=True, check=True
    )
    images = np.random.default_rng(0).random((2, 1, 1, 4, 4), np.float32)
    means = images.mean(axis=(3, 4)).reshape(2, 1, 1)

    def make(out: Path, off: float = 1.0, expires_at: str = "2999-01-01T00:00:00Z", **options: Any) -> Path:
        files = Contents()
        about = manifest_of(files)
        files = Contents()
        arrays = {
            "image": images,
            "logits": np.concatenate([500 - 1000 * means, 1000 * means - 500], 2),
            "mean": off * means * 1e-3,
        }
        stored = {name: files.add(f"golden/{name}.bin", one.astype("<f4").tobytes()) for name, one in arrays.items()}
        numbers = {
            name: {"dtype": "float32", "shape": list(one.shape), "sha256": stored[name].sha256}
            for name, one in arrays.items()
        }
        tensors = [{"name": name, "dtype": "float32", "shape": list(one.shape[1:])} for name, one in arrays.items()]
        inside = [files.add(name, made / name) for name in ("model.onnx", "libops.so")]
        artifact = {
            **about["artifacts"][0], "inputs": tensors[:1], "outputs": tensors[1:], "min_sqnr_db": LIMIT_DB,
            "provenance": None, "files": [file.model_dump() for file in inside],
        }  # fmt: skip
        artifact["runtime"] = {**artifact["runtime"], "options": options}
        image = {"resize": [4, 4], "colour": "grey"}
        given, answers = numbers.pop("image"), numbers
        golden = {
            "samples": 2, "inputs": {"image": given}, "outputs": {"int8-onnx": answers}, "model": {},
            "files": [file.model_dump() for file in stored.values()],
        }  # fmt: skip
        sound = Sound(keys, about, {f"files/{sha256}": source for sha256, source in files.stored.items()})
        return sound.but(
            artifacts=[artifact], golden=golden, licences=[], expires_at=expires_at,
            files=[file.model_dump() for file in files.files],
            contract={"inputs": {"image": image}, "labels": ["dark", "bright"], "logits": "logits"},
        ).write(out)  # fmt: skip

    return make


@pytest.fixture
def board(bundle: Bundle, keys: Keys, tmp_path: Path) -> Path:
    """A folder as it lies on a board, whose bundle expired after it was installed."""
    codegen(bundle(tmp_path / "digits.zip"), "python", tmp_path / "board", keys.roots[0], None)
    for script in (APPS / "linux" / "example").glob("*.py"):
        shutil.copy(script, tmp_path / "board")
    bundle(tmp_path / "board" / "slot", expires_at="2020-01-01T00:00:00Z")
    return tmp_path / "board"


def python(board: Path, *words: object) -> subprocess.CompletedProcess[str]:
    path = ":".join(map(str, (APPS, APPS / "linux" / "python")))
    return subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=board,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": path},
    )


def test_an_installed_bundle_is_read_after_its_expiry(board: Path) -> None:
    (board / "bright.ppm").write_bytes(b"P6\n4 4\n255\n" + b"\xf0" * 48)
    done = python(board, "read_digit.py", "slot", "bright.ppm")
    assert done.stdout == "bright (100%)\n", done.stderr
    assert python(board, "unpack.py", "slot", "model").returncode == 0
    assert (board / "model" / "model.onnx").is_file()
    done = python(board, "golden_digits.py", "slot", "onnxruntime")
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_installed_bundle_that_rotted_is_not_read(board: Path) -> None:
    (board / "bright.ppm").write_bytes(b"P6\n4 4\n255\n" + b"\xf0" * 48)
    file = max((board / "slot" / "files").iterdir(), key=lambda one: one.stat().st_size)
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    for words in (
        ("read_digit.py", "slot", "bright.ppm"),
        ("unpack.py", "slot", "model"),
        ("golden_digits.py", "slot", "onnxruntime"),
    ):
        done = python(board, *words)
        assert done.returncode == 1
        assert "another digest" in done.stderr


@pytest.mark.parametrize("first", [9, 10, 11, 12, 13, 32, 35])
def test_a_picture_may_begin_with_bytes_that_are_white_space_in_texts(first: int, board: Path) -> None:
    (board / "dark.ppm").write_bytes(b"P6\n4 4\n255\n" + bytes([first]) * 6 + b"\x20" * 42)
    done = python(board, "read_digit.py", "slot", "dark.ppm")
    assert done.stdout == "dark (100%)\n", done.stderr
    (board / "short.ppm").write_bytes(b"P6\n4 4\n255\n" + bytes([first]) * 47)
    assert "short.ppm is no binary PPM file" in python(board, "read_digit.py", "slot", "short.ppm").stderr


def test_the_worst_output_counts() -> None:
    large, small = np.full(4, 1000.0, np.float32), np.full(4, 0.001, np.float16)
    assert sqnr_db([large, small], [large, small]) == float("inf")
    assert sqnr_db([large, small], [large, 2 * small]) == pytest.approx(0, abs=0.01)
    assert sqnr_db([large, 0 * large], [large, 0 * large]) == float("inf")
    for wrong in (np.full(4, np.nan), large[:3], large):
        assert sqnr_db([large, 0 * large], [large, wrong]) == -float("inf")
        assert sqnr_db([0 * large, large], [wrong, large]) == -float("inf")


def test_a_small_output_that_is_wrong_fails_the_golden_test_in_python(bundle: Bundle, board: Path) -> None:
    shutil.rmtree(board / "slot")
    bundle(board / "slot", off=2.0)
    done = python(board, "golden_digits.py", "slot", "onnxruntime")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "SQNR 6.0 dB" in done.stdout


@needs_compiler
def test_in_cpp_each_output_counts_and_the_artifact_s_options_are_taken(
    bundle: Bundle, keys: Keys, tmp_path: Path
) -> None:
    source = bundle(tmp_path / "digits.zip", custom_op_libraries=["libops.so"], graph_optimization="disable")
    codegen(source, "cpp", tmp_path / "cpp", keys.roots[0], None)
    flags = ['-DENGINE_HEADER="edgeship/onnxruntime.hpp"', "-DENGINE=onnxruntime_engine"]
    program = compiled(tmp_path / "cpp/golden_digits.cpp", tmp_path / "golden", flags, "onnxruntime")
    said = {}
    for off in (1.0, 2.0):
        folder = unpacked(bundle(tmp_path / f"{off}", off), tmp_path / f"files{off}")
        words = [program, folder, tmp_path / "cpp/golden"]
        said[off] = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert said[1.0].returncode == 0, said[1.0].stdout + said[1.0].stderr
    assert said[2.0].returncode == 1
    assert "SQNR 6.0 dB" in said[2.0].stdout
    assert (tmp_path / "registered").is_file()
    assert 'load.optimization = "disable";' in (tmp_path / "cpp" / "digits.hpp").read_text()
    (tmp_path / "files1.0" / "libops.so").write_bytes(b"no library")
    done = subprocess.run([program, tmp_path / "files1.0", tmp_path / "cpp/golden"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "libops.so" in done.stderr


def unpacked(bundle: Path, folder: Path) -> Path:
    about = json.loads((bundle / "manifest.json").read_text())
    for file in (*about["artifacts"][0]["files"], *about["golden"]["files"]):
        (folder / file["path"]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(bundle / "files" / file["sha256"], folder / file["path"])
    return folder


def test_onnxruntime_in_python_takes_the_artifact_s_options(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = unpacked(bundle(tmp_path / "b"), tmp_path / "files") / "model.onnx"
    names = (["image"], ["logits", "mean"])
    engines.load("onnxruntime", file, *names)
    assert not (tmp_path / "registered").exists()
    options = {"custom_op_libraries": ["libops.so"], "graph_optimization": "basic"}
    loaded: Any = engines.load("onnxruntime", file, *names, options=options)
    assert (tmp_path / "registered").is_file()
    assert loaded._session.get_session_options().graph_optimization_level.name == "ORT_ENABLE_BASIC"
    with pytest.raises(KeyError, match="ORT_ENABLE_MOST"):
        engines.load("onnxruntime", file, *names, options={"graph_optimization": "most"})


def test_an_option_that_onnxruntime_does_not_have_is_refused(bundle: Bundle, keys: Keys, tmp_path: Path) -> None:
    source = bundle(tmp_path / "digits.zip", graph_optimization="most")
    with pytest.raises(RecipeError, match="int8-onnx: graph_optimization is most"):
        codegen(source, "cpp", tmp_path / "out", keys.roots[0], None)

"""The health check: golden samples by the runtimes of this machine, and a bundle that is tried."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import NOW, Sound, ring
from tiny_files import TinyFile, TinyFiles

from edgeship.apps.board import health, trust
from edgeship.apps.board.failure import FailedError
from edgeship.apps.board.refusal import Refused
from edgeship.apps.board.slots import Slots
from edgeship.apps.board.verify import Device, verify
from edgeship.toolchain.bundle.contents import Contents
from edgeship.toolchain.bundle.keys import Keys

pytestmark = pytest.mark.heavy

DEVICE = Device(NOW, compatible="digits")
FORMATS = ("onnx", "litert", "executorch")


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return ring(tmp_path / "keys")


def _sound(keys: Keys, files: dict[str, TinyFile], version: int = 5, spoiled: str = "", noise: float = 0.0) -> Sound:
    """A bundle of these files with their golden samples; `spoiled` is a format whose file is none."""
    contents = Contents()
    golden: dict[str, Any] = {"samples": 3, "inputs": {}, "outputs": {}, "model": {}}
    artifacts = []

    def tensors(folder: str, rows: list[dict[str, Any]], off: float = 0.0) -> dict[str, Any]:
        found = {}
        for name in rows[0]:
            array = np.stack([row[name] for row in rows])
            array = array + np.asarray(off * array.std(), array.dtype)
            sha256 = contents.add(f"{folder}/{name}.bin", array.tobytes()).sha256
            found[name] = {"dtype": str(array.dtype), "shape": list(array.shape), "sha256": sha256}
        return found

    golden["inputs"] = tensors("golden/inputs", next(iter(files.values())).rows)
    for format, file in files.items():
        golden["outputs"][format] = tensors(f"golden/{format}", file.expected, noise)
    golden["files"] = [named.model_dump() for named in contents.named]
    for format, file in files.items():
        place: Path | bytes = b"none" if format == spoiled else file.folder / file.artifact.file
        named = contents.add(file.artifact.file, place)
        about = file.artifact.model_dump(mode="json")
        artifacts.append(
            {
                "name": format, "entry": file.artifact.file, "files": [named.model_dump()], "abis": [],
                "runtime": about["runtime"], "inputs": about["inputs"], "outputs": about["outputs"],
                "size_bytes": 1, "min_sqnr_db": 60.0,
            }
        )  # fmt: skip
    sound = Sound.make(keys, version).but(
        artifacts=artifacts, golden=golden, licences=[], files=[stored.model_dump() for stored in contents.files]
    )
    return Sound(keys, sound.manifest, {f"files/{sha256}": source for sha256, source in contents.stored.items()})


@pytest.mark.parametrize("net", ["conv_net", pytest.param("token_net", marks=pytest.mark.slow)])
def test_each_runtime_answers_its_golden_samples(tiny_files: TinyFiles, keys: Keys, tmp_path: Path, net: str) -> None:
    files = {format: tiny_files.get(net, format) for format in FORMATS}
    bundle = _sound(keys, files).write(tmp_path / "bundle")
    verify(bundle, trust.anchor(keys.roots[0].read_bytes()), DEVICE)
    found = health.check(bundle)
    assert [one.artifact for one in found] == list(FORMATS)
    assert all(one.good and one.sqnr_db > 80 for one in found), found
    assert not (tmp_path / "check").exists()


def test_other_answers_than_the_golden_ones_are_not_good(tiny_files: TinyFiles, keys: Keys, tmp_path: Path) -> None:
    bundle = _sound(keys, {"onnx": tiny_files.get("conv_net", "onnx")}, noise=0.01).write(tmp_path / "bundle")
    (found,) = health.check(bundle)
    assert not found.good
    assert 30 < found.sqnr_db < 50


def test_what_a_runtime_raises_is_not_good(tiny_files: TinyFiles, keys: Keys, tmp_path: Path) -> None:
    files = {format: tiny_files.get("conv_net", format) for format in FORMATS}
    for format in FORMATS:
        bundle = _sound(keys, {format: files[format]}, spoiled=format).write(tmp_path / format)
        with pytest.raises(FailedError, match=format) as failed:
            health.check(bundle)
        assert failed.value.reason == "not-good"


def test_a_file_that_rotted_is_not_run(tiny_files: TinyFiles, keys: Keys, tmp_path: Path) -> None:
    file = tiny_files.get("conv_net", "onnx")
    bundle = _sound(keys, {"onnx": file}).write(tmp_path / "bundle")
    sha256 = hashlib.sha256((file.folder / file.artifact.file).read_bytes()).hexdigest()
    (bundle / "files" / sha256).write_bytes(b"rotten")
    with pytest.raises(Refused, match="another digest"):
        health.check(bundle)


def test_without_a_runtime_for_it_nothing_is_found_good(keys: Keys, tmp_path: Path) -> None:
    sound = Sound.make(keys)
    for artifact in sound.manifest["artifacts"]:
        artifact["runtime"]["name"] = "coreml"
    with pytest.raises(Refused, match="coreml"):
        health.check(sound.write(tmp_path / "bundle"))
    with pytest.raises(FailedError, match="the bundle has int8-onnx"):
        health.check(tmp_path / "bundle", ["float-onnx"])


class Board:
    """Its command line, on one store."""

    def __init__(self, store: Path) -> None:
        self.store = store

    def __call__(self, command: str, *arguments: str) -> tuple[int, dict[str, Any]]:
        done = self.run(command, *arguments)
        return done.returncode, json.loads(done.stdout)

    def run(self, command: str, *arguments: str, first: Path | None = None) -> subprocess.CompletedProcess[str]:
        """With Python packages of a folder before all others."""
        words = [sys.executable, "-m", "edgeship.apps.board", command, "--store", str(self.store), *arguments]
        environment = {**os.environ, "PYTHONPATH": str(first or "")}
        return subprocess.run(words, capture_output=True, text=True, env=environment)


@pytest.fixture
def aborting(tmp_path: Path) -> Path:
    """A folder with an ONNX Runtime that ends the process, as runtimes do where a file is not for this machine."""
    folder = tmp_path / "packages"
    folder.mkdir()
    (folder / "onnxruntime.py").write_text("import os\nos.abort()\n")
    return folder


@pytest.fixture
def board(tiny_files: TinyFiles, keys: Keys, tmp_path: Path) -> Board:
    """With version 5, which was tried and is good."""
    board = Board(tmp_path / "store")
    _install(board, _sound(keys, {"onnx": tiny_files.get("conv_net", "onnx")}, 5), tmp_path)
    code, said = board("try")
    assert (code, said["bundle"]) == (0, str(board.store / "a"))
    assert said["checked"]["onnx"]["sqnr_db"] > 80
    return board


def _install(board: Board, sound: Sound, folder: Path) -> None:
    bundle = sound.write(folder / f"bundle-{sound.manifest['version']}")
    Slots(board.store).install(bundle, trust.anchor(sound.keys.roots[0].read_bytes()), DEVICE)


def test_start_check_good(board: Board, tiny_files: TinyFiles, keys: Keys, tmp_path: Path) -> None:
    _install(board, _sound(keys, {"onnx": tiny_files.get("conv_net", "onnx")}, 6), tmp_path)
    assert board("start") == (0, {"bundle": str(board.store / "b")})
    code, said = board("check", "--artifact", "onnx")
    assert (code, said["good"]) == (0, True)
    assert board("good") == (0, {"good": True})
    assert board("try") == (0, {"bundle": str(board.store / "b")})


def test_a_native_abort_while_it_is_checked_rolls_back_at_the_next_start(
    board: Board, tiny_files: TinyFiles, keys: Keys, tmp_path: Path, aborting: Path
) -> None:
    _install(board, _sound(keys, {"onnx": tiny_files.get("conv_net", "onnx")}, 6), tmp_path)
    assert board("start") == (0, {"bundle": str(board.store / "b")})
    assert board.run("check", first=aborting).returncode == -signal.SIGABRT
    assert board("start") == (0, {"bundle": str(board.store / "a")})
    assert board("check")[0] == 0
    assert not (board.store / "check").exists()


def test_try_goes_back_where_the_answers_are_others(
    board: Board, tiny_files: TinyFiles, keys: Keys, tmp_path: Path
) -> None:
    _install(board, _sound(keys, {"onnx": tiny_files.get("conv_net", "onnx")}, 6, noise=0.5), tmp_path)
    said = "onnx: other answers than the golden ones"
    assert board("try") == (0, {"bundle": str(board.store / "a"), "given_up": 6, "said": said})


def test_try_goes_back_where_the_runtime_ends_the_process(
    board: Board, tiny_files: TinyFiles, keys: Keys, tmp_path: Path, aborting: Path
) -> None:
    _install(board, _sound(keys, {"onnx": tiny_files.get("conv_net", "onnx")}, 6), tmp_path)
    done = board.run("try", first=aborting)
    said = json.loads(done.stdout)
    assert (done.returncode, said["bundle"], said["given_up"]) == (0, str(board.store / "a"), 6)
    assert "ended by itself (-6)" in said["said"]


def test_a_first_bundle_that_try_gives_up_leaves_nothing_and_says_so(
    tiny_files: TinyFiles, keys: Keys, tmp_path: Path
) -> None:
    board = Board(tmp_path / "store")
    _install(board, _sound(keys, {"onnx": tiny_files.get("conv_net", "onnx")}, 5, noise=0.5), tmp_path)
    code, said = board("try")
    assert (code, said["reason"], said["bundle"], said["given_up"]) == (1, "nothing-installed", None, 5)


def test_a_try_that_could_not_be_made_says_nothing_of_the_bundle(
    board: Board, tiny_files: TinyFiles, keys: Keys, tmp_path: Path
) -> None:
    _install(board, _sound(keys, {"onnx": tiny_files.get("conv_net", "onnx")}, 6), tmp_path)
    code, said = board("try", "--artifact", "other")
    assert (code, said["reason"]) == (1, "artifact-unknown")
    assert board("try")[1]["bundle"] == str(board.store / "b")


def test_nothing_installed_is_told(tmp_path: Path) -> None:
    board = Board(tmp_path / "store")
    assert board("check") == (
        1,
        {"reason": "nothing-installed", "said": f"{board.store}: nothing is installed"},
    )
    assert board("try") == (0, {"bundle": None})

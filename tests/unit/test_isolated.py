"""Files are looked into by a child process: whatever a file does to its parser, the caller gets one error."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import zipfile
from pathlib import Path

import psutil
import pytest
from tiny_files import TinyFiles

from edgeship.toolchain.artifact import Artifact, Runtime, Tensor
from edgeship.toolchain.commands import inspect as foreign
from edgeship.toolchain.commands.isolated import Reader, memory_limit
from edgeship.toolchain.errors import EdgeshipError, RecipeError

pytestmark = pytest.mark.heavy

PTE = "edgeship.targets.executorch.inspect"


def test_a_parser_that_hangs_is_ended_and_the_next_file_is_read(tiny_files: TinyFiles, tmp_path: Path) -> None:
    sound = tiny_files.get("conv_net", "executorch")
    pipe = tmp_path / "pipe.pte"
    os.mkfifo(pipe)
    with Reader(seconds=5) as reader:
        with pytest.raises(EdgeshipError, match=r"pipe\.pte: its parser did not finish within 5 s: .*not a \.pte"):
            reader.inspect_file(PTE, pipe)
        assert reader.inspect_file(PTE, sound.folder / sound.artifact.file)["format"] == "executorch"


def test_a_parser_that_dies_is_named_by_its_signal_and_leaves_nothing(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.pte"
    os.mkfifo(pipe)
    ours = psutil.Process()
    others = {child.pid for child in ours.children()}  # what earlier tests of this process left running
    with Reader(seconds=60) as reader:

        def kill_it() -> None:
            while not (found := [child for child in ours.children() if child.pid not in others]):
                time.sleep(0.01)
            os.kill(found[0].pid, signal.SIGABRT)

        killer = threading.Thread(target=kill_it)
        killer.start()
        with pytest.raises(EdgeshipError, match="its parser died by SIGABRT: the file is damaged") as caught:
            reader.inspect_file(PTE, pipe)
        killer.join()
    assert caught.value.hint
    assert {child.pid for child in ours.children()} <= others


def test_a_file_larger_than_memory_is_one_error(tmp_path: Path) -> None:
    with (tmp_path / "huge.pte").open("wb") as stream:
        stream.truncate(memory_limit(0) * 64)  # sparse: it takes no room on the disk
    with Reader() as reader, pytest.raises(EdgeshipError, match=r"huge\.pte: its parser asks for more than \d+ GB"):
        reader.inspect_file(PTE, tmp_path / "huge.pte")


def test_what_a_file_says_steers_no_terminal(tmp_path: Path) -> None:
    path = tmp_path / "program.pt2"
    value = {"dtype": 7, "sizes": [{"as_int": 1}]}
    graph = {"tensor_values": {"x\x1b[2J\ud800": value}, "nodes": []}
    signature = {
        "input_specs": [{"user_input": {"arg": {"as_tensor": {"name": "x\x1b[2J\ud800"}}}}],
        "output_specs": [],
    }
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("p/models/model.json", json.dumps({"graph_module": {"graph": graph, "signature": signature}}))
    assert foreign.inspect(path)["inputs"][0]["name"] == "x�[2J�"


@pytest.mark.parametrize(
    ("name", "make", "said"),
    [
        ("pipe.onnx", os.mkfifo, "is neither a file nor a folder|is not a regular file"),
        ("folder.onnx", os.mkdir, "is not a regular file"),
        ("file.mlpackage", lambda path: path.write_text(""), "is not a folder"),
        ("zero.tflite", lambda path: path.symlink_to("/dev/zero"), "is neither a file nor a folder"),
    ],
)
def test_what_never_ends_is_not_opened(name: str, make: object, said: str, tmp_path: Path) -> None:
    assert callable(make)
    make(tmp_path / name)
    with pytest.raises(RecipeError, match=said):
        foreign.describe(tmp_path / name)


def test_a_pipe_inside_a_package_is_not_opened(tmp_path: Path) -> None:
    package = tmp_path / "model.mlpackage"
    package.mkdir()
    os.mkfifo(package / "Manifest.json")
    with pytest.raises(RecipeError, match=r"Manifest\.json: is neither a file nor a folder"):
        foreign.inspect(package)


@pytest.mark.parametrize(
    ("dtype", "shape", "said"),
    [
        ("float32", (1, -3), "shape"),
        ("float32", (1 << 20, 1 << 20), "shape"),
        ("float32", (1,) * 70, "shape"),
        ("unknown", (1,), "type unknown"),
    ],
)
def test_inputs_that_cannot_be_are_refused_before_they_take_memory(
    dtype: str, shape: tuple[int, ...], said: str
) -> None:
    artifact = Artifact(
        format="onnx",
        file="model.onnx",
        spec="float32",
        runtime=Runtime(name="onnxruntime", minimum_version="1"),
        inputs=(Tensor(name="x", dtype=dtype, shape=shape),),
        outputs=(),
        size_bytes=1,
        sha256="",
        dtypes={},
    )
    with pytest.raises(EdgeshipError, match=said):
        foreign.random_samples(artifact, {}, 4)


def test_a_manifest_that_points_elsewhere_is_refused(tiny_files: TinyFiles, tmp_path: Path) -> None:
    sound = tiny_files.get("conv_net", "executorch").artifact
    (tmp_path / "model.pte").write_bytes(b"")
    told = sound.model_copy(update={"file": "../outside.pte"})
    (tmp_path / "artifact.json").write_text(told.model_dump_json())
    (tmp_path.parent / "outside.pte").write_bytes((tiny_files.folder / sound.file).read_bytes())
    with pytest.raises(EdgeshipError, match=r"is not the file that artifact\.json describes"):
        foreign.describe(tmp_path / "model.pte")
    (tmp_path / "artifact.json").write_text("[" * 100_000)
    with pytest.raises(EdgeshipError, match="not a readable artifact manifest"):
        foreign.describe(tmp_path / "model.pte")

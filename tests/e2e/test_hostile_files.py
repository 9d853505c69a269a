"""Damaged files of every kind that edgeship reads: one error with a documented exit code, or a description.

`python tests/e2e/test_hostile_files.py` prints how many of 231 damaged files of each format ended how.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from mutations import MUTATIONS, mutate
from tiny_files import TinyFiles

from edgeship.toolchain import errors
from edgeship.toolchain.commands import inspect as foreign
from edgeship.toolchain.commands.isolated import Reader
from edgeship.toolchain.errors import EdgeshipError

FORMATS = ("executorch", "onnx", "litert", "coreml", "coreai", "torchscript", "torchscript_lite", "torch")
DOCUMENTED = {getattr(errors, name) for name in dir(errors) if name.startswith("EXIT_")}
FEW, ALL = 28, 231
SECONDS = 120
SOUND, ASKED = "described", "described, inputs asked for"


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    with Reader(SECONDS) as reader:
        yield reader


def outcome(path: Path, reader: Reader) -> str:
    """What `inspect`, and `bench` before it launches anything, make of a file: SOUND, or the exit code."""
    try:
        artifact = foreign.describe(path, reader)
        foreign.random_samples(artifact, {}, 1)
    except EdgeshipError as error:
        said = error
    else:
        return SOUND
    message = str(said)
    assert said.exit_code in DOCUMENTED - {errors.EXIT_OK}
    assert path.name in message
    assert message.isprintable(), "one line, and nothing that steers a terminal"
    assert len(message) < 1000
    assert "did not finish" not in message
    assert said.hint
    if "--input" in said.hint:
        return ASKED
    return f"exit {said.exit_code}" + (", its parser died" if "died by" in message else "")


def outcomes(source: Path, folder: Path, reader: Reader, count: int) -> Counter[str]:
    """How so many damaged copies of a file ended; nothing may lie beside them afterwards."""
    found: Counter[str] = Counter()
    for number in range(count):
        path = folder / f"damaged{source.suffix}"
        what = mutate(source, path, number)
        try:
            found[outcome(path, reader)] += 1
        except BaseException as error:
            error.add_note(f"damaged file {number} of {source.name}: {what}")
            raise
        assert list(folder.iterdir()) == [path]
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return found


@pytest.mark.parametrize("count", [FEW, pytest.param(ALL, marks=pytest.mark.slow)])
@pytest.mark.parametrize("format", FORMATS)
def test_a_damaged_file_is_described_or_one_error(
    format: str, count: int, reader: Reader, tiny_files: TinyFiles, tmp_path: Path
) -> None:
    file = tiny_files.get("conv_net", format)
    source = file.folder / file.artifact.file
    found = outcomes(source, tmp_path, reader, count)
    assert found.total() == count
    assert sum(number for how, number in found.items() if how.startswith("exit")) > count / 10, (
        "hardly any damage was seen"
    )


def test_every_kind_of_damage_is_in_the_few() -> None:
    assert FEW % len(MUTATIONS) == ALL % len(MUTATIONS) == 0


def test_a_reader_leaves_no_process_and_no_file(tiny_files: TinyFiles, tmp_path: Path) -> None:
    file = tiny_files.get("conv_net", "onnx")
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    with Reader(SECONDS) as reader:
        outcomes(file.folder / file.artifact.file, tmp_path, reader, 3)
        assert reader.folder is not None
        left = reader.folder
        assert left.exists()
    assert not left.exists()
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place, Reader(SECONDS) as reader:
        made = TinyFiles(Path(place))
        damaged = Path(place) / "damaged"
        damaged.mkdir()
        for name in sys.argv[1:] or FORMATS:
            tiny = made.get("conv_net", name)
            found = outcomes(tiny.folder / tiny.artifact.file, damaged, reader, ALL)
            print(name, dict(found.most_common()), flush=True)

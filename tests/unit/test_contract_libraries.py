"""The contract's libraries make what Pillow, transformers and numpy make, and the comparison would tell otherwise."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from native import APPS, compiled, needs_compiler
from parity_cases import Compared, Writer, compare

pytestmark = pytest.mark.heavy

COUNTS = {
    "resize": 576, "image": 96, "bytes": 96, "text": 2000, "pairs": 200, "cased": 200, "odd": 200, "sound": 12,
    "softmax": 9, "top_k": 18,
}  # fmt: skip


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cases")
    Writer(folder).write()
    return folder


def answered(command: list[str], cases: Path, out: Path, environment: dict[str, str] | None = None) -> Compared:
    done = subprocess.run(
        [*command, str(cases / "cases.jsonl"), str(out)], capture_output=True, text=True, check=True, env=environment
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line for line in lines if line["error"] is not None] == []
    return compare(cases, out)


def test_the_library_for_python_answers_as_pillow_transformers_and_numpy(cases: Path, tmp_path: Path) -> None:
    path = {"PYTHONPATH": str(APPS / "linux/python")}
    compared = answered([sys.executable, "-m", "edgeship_contract"], cases, tmp_path, path)
    print(f"Python: {compared}")
    assert compared.wrong == ()
    assert dict(compared.equal) == COUNTS


@needs_compiler
def test_the_library_for_cpp_answers_as_pillow_transformers_and_numpy(cases: Path, tmp_path: Path) -> None:
    program = compiled(APPS / "linux/cpp/conformance.cpp", tmp_path / "conformance")
    compared = answered([str(program)], cases, tmp_path / "answers")
    print(f"C++: {compared}")
    assert compared.wrong == ()
    assert dict(compared.equal) == COUNTS


def test_one_wrong_number_is_found_and_placed(cases: Path, tmp_path: Path) -> None:
    for line in (cases / "cases.jsonl").read_text().splitlines():
        out = json.loads(line)["out"]
        (tmp_path / out).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / out).write_bytes((cases / "expected" / out).read_bytes())
    assert compare(cases, tmp_path).complete
    for out in ("resize/3-2-box", "text/answers"):
        numbers = np.fromfile(tmp_path / out, np.uint8)
        numbers[-1] ^= 1
        numbers.tofile(tmp_path / out)
    (tmp_path / "softmax/0").unlink()
    compared = compare(cases, tmp_path)
    assert not compared.complete
    assert compared.wrong == ("resize/3-2-box", "text/answers[1999]", "softmax/0")
    assert compared.equal["text"] == 1999

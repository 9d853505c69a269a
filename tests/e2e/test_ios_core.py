"""The Swift side: BenchCore built and tested on Linux, in a Debian root that has Swift 6."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import ios_data
import numpy as np
import pytest
from parity_cases import compare

from edgeship.apps.board.document import parse
from edgeship.toolchain.commands.codegen import codegen
from edgeship.toolchain.protocol.messages import Result

ROOT = Path(__file__).parents[2]
IOS = ROOT / "apps" / "ios"
IN_ROOT = [] if sys.platform == "darwin" else [str(IOS / "in-root")]


def _missing() -> str:
    """What keeps Swift from being tested here; empty where nothing does."""
    if sys.platform == "darwin":
        return "" if shutil.which("swift") else "no swift: install Xcode"
    if shutil.which("mmdebstrap") is None or shutil.which("unshare") is None:
        return "no mmdebstrap or no unshare (make system-deps)"
    return "" if os.geteuid() == 0 else "apps/ios/in-root mounts folders: run it as root"


pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(_missing()), reason=_missing())]  # minutes


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ios") / "data"
    ios_data.main(folder)
    return folder


@pytest.fixture(scope="module")
def tested(data: Path) -> str:
    """What `swift test` printed."""
    done = subprocess.run([str(IOS / "test-core"), str(data)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    print("", *re.findall(r"^\d+ of .*|^\d+/.*", done.stdout, re.MULTILINE), sep="\n")
    return done.stdout


def _conformance(suite: str, *paths: Path) -> list[str]:
    """What the command line answers to each line of a file."""
    command = [*IN_ROOT, str(IOS / ".build" / "debug" / "conformance"), suite, *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_swifts_own_parser_takes_what_nothing_here_compiles() -> None:
    files = [*(IOS / "App").rglob("*.swift"), *(IOS / "Engines").rglob("*.swift")]
    assert len(files) > 15
    parse = [*IN_ROOT, "swiftc", "-frontend", "-parse", "-swift-version", "6", *map(str, files)]
    done = subprocess.run(parse, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_swift_files_are_formatted() -> None:
    files = [file for file in IOS.rglob("*.swift") if not {".build", "Generated"} & set(file.parts)]
    lint = [*IN_ROOT, "swift", "format", "lint", "--strict", "--configuration", str(IOS / ".swift-format")]
    done = subprocess.run([*lint, *map(str, files)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_hostile_bundles_are_refused_as_in_python(tested: str, data: Path) -> None:
    refused = re.search(r"(\d+) of (\d+) hostile bundles refused", tested)
    assert refused is not None
    assert refused[1] == refused[2]
    assert int(refused[1]) > 200
    cases = data / "cases.jsonl"
    board = [sys.executable, "-m", "edgeship.apps.board", "conformance", str(cases)]
    python = subprocess.run(board, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [json.loads(line) for line in _conformance("bundles", cases)] == [json.loads(line) for line in python]


def test_a_device_has_a_working_slot_wherever_an_update_is_cut(tested: str) -> None:
    cuts = re.findall(r"(\d+)/(\d+) end in a working slot", tested)
    assert len(cuts) == 2  # killed, and without power
    assert all(working == asked and int(asked) > 30 for working, asked in cuts)


def test_digits_are_classified_as_in_python_and_golden_messages_come_back(tested: str) -> None:
    assert "599 of 599 digits classified as in Python" in tested
    assert "599 of 599 pictures of digits classified as their samples" in tested
    assert "4 of 4 golden messages come back as they were" in tested


def test_results_are_those_that_the_host_reads(tested: str, data: Path) -> None:
    results = {file.stem.removeprefix("result-"): Result.load(file) for file in data.glob("result-*.json")}
    expected = {"verify", "latency", "throughput", "memory", "cold", "refused", "required", "broken", "sent"}
    assert set(results) == expected
    errors = {name: run.error.phase for name, result in results.items() if (run := result.runs[0]).error}
    assert errors == {"refused": "start", "required": "start", "broken": "load"}
    assert len(results["verify"].runs[0].outputs or []) == 20
    answers, pythons = (np.fromfile(file, np.float32) for file in (data / "sent.bin", data / "jobs" / "expected.bin"))
    np.testing.assert_allclose(answers, pythons, atol=1e-5)


def test_pictures_texts_and_scores_are_as_pillow_transformers_and_numpy_have_them(
    tested: str, data: Path, tmp_path: Path
) -> None:
    answers = _conformance("contract", data / "contract" / "cases.jsonl", tmp_path / "answers")
    assert {json.loads(line)["error"] for line in answers} == {None}
    compared = compare(data / "contract", tmp_path / "answers")
    print(compared)
    assert compared.complete, compared.wrong
    assert compared.asked["text"] == 2000


MANIFEST = """// swift-tools-version: 6.0
import PackageDescription

let package = Package(
    name: "Wrapper",
    platforms: [.macOS(.v14)],
    dependencies: [.package(path: "BenchCore")],
    targets: [
        .target(
            name: "Generated",
            dependencies: ["BenchCore", .product(name: "EdgeshipContract", package: "BenchCore")]),
        .systemLibrary(name: "COnnxRuntime"),
        .testTarget(name: "GeneratedTests", dependencies: ["BenchCore", "Generated", "COnnxRuntime"]),
    ]
)
"""
WRAPPER = """import BenchCore
import Foundation
import Generated
import Testing

struct WrapperTests {
    @Test("golden samples and a picture are as in Python")
    func golden() async throws {
        let here = URL(fileURLWithPath: "HERE")
        let engine = try OnnxEngine(library: here.appendingPathComponent("libonnxruntime.so"))
        let root = try anchor(Array(Data(contentsOf: here.appendingPathComponent("root.json"))))
        let device = Device(runtimes: [engine.runtime: engine.version])
        let bundle = try verify(here.appendingPathComponent("digits.zip"), root, device)
        let test = DigitsGolden(bundle, engine, samples: here.appendingPathComponent("swift/golden"))
        #expect(try await test.differences(in: here.appendingPathComponent("files")) == [])
    }
}
"""


def test_the_wrapper_that_codegen_writes_answers_as_in_python(data: Path, tmp_path: Path) -> None:
    for name in ("digits.zip", "root.json", "libonnxruntime.so"):
        shutil.copy(data / name, tmp_path)
    codegen(tmp_path / "digits.zip", "swift", tmp_path / "swift", tmp_path / "root.json", None)
    package, core = tmp_path / "Wrapper", IOS / "BenchCore"
    generated, tests = package / "Sources/Generated", package / "Tests/GeneratedTests"
    shutil.copytree(tmp_path / "swift", generated, ignore=shutil.ignore_patterns("golden"))
    shutil.copytree(core / "Sources/COnnxRuntime", package / "Sources/COnnxRuntime")
    tests.mkdir(parents=True)
    shutil.copy(core / "Tests/InferenceTests/OnnxEngine.swift", tests)
    (tests / "WrapperTests.swift").write_text(WRAPPER.replace("HERE", str(tmp_path)))
    (package / "Package.swift").write_text(MANIFEST.replace('path: "BenchCore"', f'path: "{core}"'))
    there = [] if sys.platform == "darwin" else [str(IOS / "in-root")]
    command = [*there, "swift", "test", "--package-path", str(package), "-Xswiftc", "-warnings-as-errors"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "599 of 599 of the same class as in Python" in done.stdout
    assert "image: as in Python" in done.stdout


def test_documents_are_taken_and_refused_as_in_python(tested: str, data: Path, tmp_path: Path) -> None:
    documents = _documents((data / "root.json").read_bytes())
    cases = tmp_path / "documents.txt"
    cases.write_text("".join(f"{document.hex()}\n" for document in documents))
    expected = ["taken" if _is_taken(document) else "refused" for document in documents]
    assert _conformance("documents", cases) == expected
    print(f"{len(expected)} documents read as in Python, {expected.count('taken')} of them taken")
    assert 300 < expected.count("taken") < len(expected) - 300


def _is_taken(document: bytes) -> bool:
    try:
        parse(document)
    except ValueError:
        return False
    return True


NUMBERS = b"0 -0 01 1. .5 1e5 1E+5 1e +1 --1 0x1 NaN Infinity -Infinity True nul true 'a'".split()
TEXTS = rb"\u00e9 \ud800 \ud83d\ude00 \ud83d\u0041 \u12 \x41".split()
EDGES = [
    *(b'{"a": %s}' % number for number in (*NUMBERS, b"", *(b"1" * digits for digits in (19, 63, 64, 65)))),
    *(b'{"a": %s}' % (b"[" * deep + b"]" * deep) for deep in (62, 63, 64, 65, 400)),
    b'{"a": %s, "a": 1}' % (b"[" * 80 + b"]" * 80),
    *(b'{"a": "%s"}' % text for text in TEXTS),
    *(b'{"a": "%s"}' % text for text in (b"\t", b"\n", b"\x00", b"\x7f", b"\xed\xa0\x80", b"\xc0\x80", b"\xff", b"\\")),
    *(b"{a: 1}", b"{}", b"[]", b"5", b"", b" {} ", b"{", b'{"a', b'{"a": "', b"\x00{}", b'{"a": 1,}', b'{"a" 1}'),
    *(b'{"a": [1 2]}', b'{"a": [,]}', b'\xef\xbb\xbf{"a": 1}'),
    *(b'{"a": 1}' + end for end in (b" ", b"x", b"\x0c", b"\x00")),
]  # fmt: skip


def _documents(sound: bytes) -> list[bytes]:
    """What readers may take differently, and a sound document with bytes changed, put in and taken away."""
    chance = random.Random(0)
    letters = b'{}[]",:\\/ \t\n0123456789.eE+-abtrufnl\xc3\xa9\xff'
    found = list(EDGES)
    seeds = [sound, b'{"a": [1, -2.5e3, true, null, "\\u00e9\\n"], "b": {"c": [], "d": {}}}']
    while len(found) < 3000:
        document = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 2)):
            place, letter = chance.randrange(len(document)), chance.choice(letters)
            document[place : place + chance.randint(0, 1)] = bytes([letter] * chance.randint(0, 1))
        found.append(bytes(document))
    return found

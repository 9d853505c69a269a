"""docs/integrate-linux.md, done: a bundle installed, pictures read in Python here and in C++ on emulated cores."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from edgeship.toolchain.devices.agents.carried import COMPILERS, files_for
from edgeship.toolchain.devices.agents.kits import ONNXRUNTIME
from edgeship.toolchain.devices.emulated import qemu
from edgeship.toolchain.devices.emulated.cores import CORES

pytestmark = [pytest.mark.heavy, pytest.mark.slow]  # a run of digits, a cross build, a wheel for arm64

ROOT = Path(__file__).parents[2]
APPS = ROOT / "apps"
EXAMPLE = APPS / "linux" / "example"
EDGESHIP = Path(sys.executable).with_name("edgeship")
NEEDED = ("cmake", COMPILERS["arm64"], "qemu-aarch64")
needs_cross = pytest.mark.skipif(
    any(shutil.which(name) is None for name in NEEDED), reason=f"needs {', '.join(NEEDED)} (make system-deps)"
)


@dataclass(frozen=True)
class Board:
    """A folder as it lies on a board, with a bundle installed, and pictures with what is in them."""

    folder: Path
    bundle: Path
    pictures: dict[Path, str]

    def python(self, *words: object) -> subprocess.CompletedProcess[str]:
        """Run a script that lies there."""
        return subprocess.run(
            [sys.executable, *map(str, words)], cwd=self.folder, capture_output=True, text=True, check=False
        )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Board:
    """What lies on the board; nothing is installed yet."""
    work = tmp_path_factory.mktemp("linux")
    folder = work / "board"
    shutil.copytree(APPS / "board", folder / "board")
    shutil.copytree(APPS / "linux" / "python" / "edgeship_contract", folder / "edgeship_contract")
    for script in EXAMPLE.glob("*.py"):
        shutil.copy(script, folder)
    environment = {**os.environ, "EDGESHIP_KEYS": str(work / "keys"), "EDGESHIP_HISTORY": ""}
    bundle = work / "digits.zip"
    recipe = ["run", ROOT / "examples/digits/recipe.toml", "--variant", "int8", "--target", "onnx", "--no-measure"]
    for words in (
        [*recipe, "--runs", work / "runs"],
        ["bundle", work / "runs", "--variant", "int8", "--out", bundle],
        ["codegen", bundle, "python", "--out", folder],
        ["codegen", bundle, "cpp", "--out", work / "cpp"],
    ):
        subprocess.run([str(EDGESHIP), *map(str, words)], check=True, env=environment, capture_output=True)
    shutil.copy(work / "keys" / "roots" / "1.json", folder / "app-root.json")
    return Board(folder, bundle, dict(_pictures(work)))


def _pictures(work: Path) -> list[tuple[Path, str]]:
    """Digits of the evaluation data, twice as large."""
    sys.path.append(str(ROOT / "examples" / "digits"))
    try:
        import data
    finally:
        sys.path.pop()
    images, labels = data.evaluation()
    found = []
    for number in range(6):
        grey = (255 * np.asarray(images[number]).reshape(32, 32)).round().astype(np.uint8).repeat(2, 0).repeat(2, 1)
        file = work / f"{number}.ppm"
        file.write_bytes(b"P6\n64 64\n255\n" + np.stack([grey] * 3, axis=-1).tobytes())
        found.append((file, str(int(labels[number]))))
    return found


@pytest.fixture
def board(made: Board) -> Board:
    """With the bundle installed, and not tried."""
    shutil.rmtree(made.folder / "store", ignore_errors=True)
    done = made.python(
        *("-m", "board", "install", made.bundle, "--root", "app-root.json", "--store", "store"),
        *("--runtime", "onnxruntime=1.32.0"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def tried(board: Board) -> str:
    """The bundle that answers here as it should."""
    done = board.python("-m", "board", "try", "--store", "store")
    assert done.returncode == 0, done.stdout + done.stderr
    return str(json.loads(done.stdout)["bundle"])


def test_a_board_reads_pictures_in_python(board: Board) -> None:
    bundle = tried(board)
    for picture, label in board.pictures.items():
        done = board.python("read_digit.py", bundle, picture)
        assert re.fullmatch(rf"{label} \(\d+%\)\n", done.stdout), done.stdout + done.stderr


def test_a_file_that_changed_since_is_not_read(board: Board) -> None:
    bundle = board.folder / tried(board)
    file = next(iter((bundle / "files").iterdir()))
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    done = board.python("read_digit.py", bundle, next(iter(board.pictures)))
    assert done.returncode == 1
    assert "another digest than the manifest says" in done.stderr


def test_the_walkthrough_s_board_fetches_what_was_published(made: Board, tmp_path: Path) -> None:
    environment = {**os.environ, "EDGESHIP_KEYS": str(made.bundle.parent / "keys"), "EDGESHIP_HISTORY": ""}
    publish = [str(EDGESHIP), "publish", str(made.bundle), "--to", str(tmp_path / "site")]
    subprocess.run(publish, check=True, env=environment, capture_output=True)
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "site"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        shutil.rmtree(made.folder / "store", ignore_errors=True)
        words = (f"http://127.0.0.1:{server.server_port}", "--root", "app-root.json", "--store", "store")
        done = made.python("-m", "board", "update", *words, "--runtime", "onnxruntime=1.32.0", "--budget", 2_000_000)
        server.shutdown()
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        json.loads(done.stdout)["version"]
        == json.loads((made.folder / tried(made) / "manifest.json").read_text())["version"]
    )


@needs_cross
def test_an_arm64_core_reads_the_same_in_cpp(board: Board, tmp_path: Path) -> None:
    assert board.python("unpack.py", tried(board), tmp_path / "model").returncode == 0
    there = files_for(ONNXRUNTIME, "arm64")["lib"]
    wrapper, out = board.folder.parent / "cpp", tmp_path / "build"
    settings = {
        "CMAKE_SYSTEM_NAME": "Linux", "CMAKE_SYSTEM_PROCESSOR": "aarch64", "CMAKE_CXX_COMPILER": COMPILERS["arm64"],
        "CMAKE_CXX_FLAGS": "-Wall -Wextra -Werror", "CMAKE_BUILD_TYPE": "Release", "WRAPPER": str(wrapper),
        "ONNXRUNTIME": str(there / "libonnxruntime.so.1"), "CMAKE_EXE_LINKER_FLAGS": "-Wl,--allow-shlib-undefined",
    }  # fmt: skip
    given = [f"-D{name}={value}" for name, value in settings.items()]
    for command in (["-S", str(EXAMPLE), "-B", str(out), *given], ["--build", str(out)]):
        done = subprocess.run(["cmake", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    for core in ("cortex-a72", "cortex-a76"):  # a Raspberry Pi 4's, and a 5's
        assert "16 of 16 of the same class as in Python" in _on(core, there, out / "golden_digits", tmp_path, wrapper)
        for picture, label in board.pictures.items():
            assert _on(core, there, out / "read_digit", tmp_path, picture).startswith(f"{label} (")


def _on(core: str, libraries: Path, program: Path, work: Path, last: Path) -> str:
    """What a program says on an emulated core."""
    last = last / "golden" if last.is_dir() else last
    machine = ["-cpu", CORES[core].emulated_as, "-L", str(qemu.machine(CORES[core]))]
    loader = [str(libraries / "loader"), "--library-path", str(libraries)]
    command = [qemu.installed().path, *machine, *loader, str(program), str(work / "model"), str(last)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout

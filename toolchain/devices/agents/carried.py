"""The native agent for Linux in one folder: it brings its own C library and asks nothing but a kernel."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

from edgeship.toolchain.api import TIMED, Agent, MissingError
from edgeship.toolchain.devices.agents import build
from edgeship.toolchain.devices.agents.kept import kept
from edgeship.toolchain.devices.agents.python import agents_folder, facts

COMPILERS = {"arm64": "aarch64-linux-gnu-g++", "x86_64": "x86_64-linux-gnu-g++"}
LOADERS = {"arm64": "ld-linux-aarch64.so.1", "x86_64": "ld-linux-x86-64.so.2"}
LOADER = "loader"
"""What it is called in the folder, whatever the architecture."""
C_LIBRARY = ("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libstdc++.so.6", "libgcc_s.so.1")
PLATFORM = "manylinux_2_28"


def files_for(arch: str) -> dict[str, Path]:
    """The runner and `lib`, all libraries that it loads.

    MissingError for another architecture than arm64 and x86_64, without a compiler for it, or where the wheel for it
    is neither kept from before nor to be fetched.
    """
    if arch not in LOADERS:
        raise MissingError(f"there is no runner that carries its C library for {arch}", "use a device of another kind")
    here = facts()["cpu"]["arch"] == arch
    name = build.own_compiler() if here else COMPILERS[arch]
    compiler = shutil.which(name)
    if compiler is None:
        raise MissingError(f"there is no C++ compiler that builds the ExecuTorch runner for {arch}", f"install {name}")
    sources = agents_folder() / "native"
    libraries = build.wheel_folder() / "lib" if here else foreign_libraries(version("executorch"), arch)

    def make(folder: Path) -> None:
        build.compile_runner(compiler, sources, folder, libraries)
        carried = folder / "lib"
        carried.mkdir()
        for name in build.LIBRARIES:
            shutil.copy(libraries / f"lib{name}.so", carried)
        for name in C_LIBRARY:
            shutil.copy(_of_compiler(compiler, name), carried / name)
        shutil.copy(_of_compiler(compiler, LOADERS[arch]), carried / LOADER)

    key = build.key_of(sources, compiler, __file__)
    folder = kept(f"{arch}-runner", key, f"the ExecuTorch runner for {arch}", make)
    return {"runner": folder / "runner", "lib": folder / "lib"}


def foreign_libraries(wanted: str, arch: str) -> Path:
    """The folder with ExecuTorch's libraries for a CPU, out of the wheel of this version, which pip fetches once."""
    platform_tag = f"{PLATFORM}_{'aarch64' if arch == 'arm64' else arch}"

    def make(folder: Path) -> None:
        command = [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"),
            *("--only-binary=:all:", "--platform", platform_tag, "--dest", str(folder), f"executorch=={wanted}"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = list(folder.glob("*.whl"))
        if done.returncode or not wheels:
            raise MissingError(
                f"ExecuTorch's libraries for {arch} cannot be fetched: {_last_line(done.stderr)}",
                f"let `{' '.join(command[1:5])} … executorch=={wanted}` reach a package index",
            )
        with zipfile.ZipFile(wheels[0]) as wheel:
            for library in build.LIBRARIES:
                found = wheel.read(f"executorch/lib/lib{library}.so")
                (folder / f"lib{library}.so").write_bytes(found)
        wheels[0].unlink()

    return kept("wheels", f"executorch-{wanted}-{platform_tag}", f"ExecuTorch's libraries for {arch}", make)


def _of_compiler(compiler: str, library: str) -> Path:
    """A library of the compiler's own C library; MissingError where it has none."""
    said = subprocess.run([compiler, f"-print-file-name={library}"], capture_output=True, text=True, check=True).stdout
    path = Path(said.strip())
    if not path.is_absolute():  # it answers the bare name where it finds none
        raise MissingError(f"{compiler} has no {library}", "install the C library of that compiler")
    return path


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.strip().splitlines()) if line), "pip said nothing")


def sources() -> tuple[Path, ...]:
    """The C++ files, and the modules that say how they are built."""
    return (*sorted((agents_folder() / "native").glob("*.?pp")), Path(build.__file__), Path(__file__))


CARRIED = Agent(
    name="carried",
    runtimes={"executorch": "executorch"},
    modes=TIMED | {"count"},
    files_for=files_for,
    command=lambda place, python: [f"{place('lib')}/{LOADER}", "--library-path", place("lib"), place("runner")],
    sources=sources,
    brings_runtime=True,
)

"""The native agents for Linux, each in one folder: it brings its own C library and asks nothing but a kernel."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from edgeship.toolchain.api import LASTING, TIMED, Agent, MissingError
from edgeship.toolchain.devices.agents import build
from edgeship.toolchain.devices.agents.kept import kept
from edgeship.toolchain.devices.agents.kits import EXECUTORCH, LITERT, ONNXRUNTIME, Kit
from edgeship.toolchain.devices.agents.python import agents_folder, facts

COMPILERS = {"arm64": "aarch64-linux-gnu-g++", "x86_64": "x86_64-linux-gnu-g++"}
LOADERS = {"arm64": "ld-linux-aarch64.so.1", "x86_64": "ld-linux-x86-64.so.2"}
LOADER = "loader"
"""What it is called in the folder, whatever the architecture."""
C_LIBRARY = ("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libstdc++.so.6", "libgcc_s.so.1")
PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014")


def files_for(kit: Kit, arch: str) -> dict[str, Path]:
    """The runner and `lib`, all libraries that it loads.

    MissingError for another architecture than arm64 and x86_64, without a compiler for it, or where the wheel for it
    is neither kept from before nor to be fetched.
    """
    if arch not in LOADERS:
        raise MissingError(f"there is no runner that carries its C library for {arch}", "use a device of another kind")
    here = facts()["cpu"]["arch"] == arch
    what = f"the {kit.title} runner for {arch}"
    compiler = build.compiler_at(build.own_compiler() if here else COMPILERS[arch], what)
    sources = agents_folder() / "native"
    package = kit.folder() if here and not kit.release else foreign_package(kit, arch)

    def make(folder: Path) -> None:
        beside = folder / build.LIBRARIES
        beside.mkdir()
        for file, name in kit.files().items():
            shutil.copy(package / file, beside / name)
        build.compile_runner(kit, package, compiler, sources, folder)
        for name in C_LIBRARY:
            shutil.copy(_of_compiler(compiler, name), beside / name)
        shutil.copy(_of_compiler(compiler, LOADERS[arch]), beside / LOADER)

    folder = kept(f"{arch}-runner", build.key_of(kit, package, sources, compiler, __file__), what, make)
    return {build.RUNNER: folder / build.RUNNER, build.LIBRARIES: folder / build.LIBRARIES}


def foreign_package(kit: Kit, arch: str) -> Path:
    """A folder with a runtime's libraries for a CPU, and its headers, as in its wheel, which pip fetches once."""
    wanted, cpu = f"{kit.distribution}=={kit.version}", "aarch64" if arch == "arm64" else arch

    def make(folder: Path) -> None:
        command = [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"),
            *("--only-binary=:all:", "--dest", str(folder), wanted),
            *(part for platform in PLATFORMS for part in ("--platform", f"{platform}_{cpu}")),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = list(folder.glob("*.whl"))
        if done.returncode or not wheels:
            raise MissingError(
                f"{kit.title}'s libraries for {arch} cannot be fetched: {_last_line(done.stderr)}",
                f"let `{' '.join(command[1:5])} … {wanted}` reach a package index",
            )
        with zipfile.ZipFile(wheels[0]) as wheel:
            names = wheel.namelist()
            if absent := [file for file in kit.files() if f"{kit.package}/{file}" not in names]:
                raise MissingError(f"{wanted} for {arch} brings no {absent[0]}", "name a version that does")
            headers = {name.removeprefix(f"{kit.package}/") for name in names if name.endswith((".h", ".hpp"))}
            included = {file for file in headers if any(file.startswith(f"{place}/") for place in kit.includes)}
            for file in (*kit.files(), *included):
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                (folder / file).write_bytes(wheel.read(f"{kit.package}/{file}"))
        wheels[0].unlink()

    return kept("packages", f"{wanted}-{cpu}", f"{kit.title}'s libraries for {arch}", make)


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
    return (*build.cpp(agents_folder() / "native"), *build.made_by(), Path(__file__))


def carried(kit: Kit) -> Agent:
    """The agent around a runtime's libraries."""
    return Agent(
        name=f"carried {kit.runtime}",
        runtimes={kit.runtime: kit.runtime},
        modes=TIMED | LASTING | {"profile", "count"},
        files_for=functools.partial(files_for, kit),
        command=lambda place, python: [
            *(f"{place(build.LIBRARIES)}/{LOADER}", "--library-path", place(build.LIBRARIES), place(build.RUNNER))
        ],
        sources=sources,
        brings_runtime=True,
    )


OF_EXECUTORCH, OF_ONNXRUNTIME, OF_LITERT = (carried(kit) for kit in (EXECUTORCH, ONNXRUNTIME, LITERT))

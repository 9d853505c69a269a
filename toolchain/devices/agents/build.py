"""Builds the C++ runner of a runtime from the libraries of its wheel, once per sources, wheel and compiler."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

from edgeship.toolchain.api import DeviceError, MissingError, missing_extra
from edgeship.toolchain.devices.agents.kept import kept
from edgeship.toolchain.devices.agents.kits import Kit, places

JSON_HEADERS = "nlohmann-json"
"""The distribution that brings nlohmann/json.hpp, so that nothing but a compiler must come from the system."""
RUNNER, LIBRARIES, OBJECT = "runner", "lib", "main.o"
"""What is built, the folder of the libraries that it looks for beside itself, and what it is before it is linked."""


@functools.cache
def build(kit: Kit, sources: Path) -> Path:
    """The runner's path; compiles `sources` into the cache folder if it is not there yet.

    Raises MissingError without a compiler, the JSON headers or the wheel's libraries; DeviceError when the compiler
    rejects the sources.
    """
    compiler, package = compiler_at(own_compiler(), f"the {kit.title} runner"), kit.folder()

    def make(folder: Path) -> None:
        (folder / LIBRARIES).mkdir()
        for file, name in kit.files().items():
            (folder / LIBRARIES / name).symlink_to(package / file)
        compile_runner(kit, package, compiler, sources, folder)

    key = key_of(kit, package, sources, compiler, __file__)
    return kept("native-runner", key, f"the {kit.title} runner", make) / RUNNER


def own_compiler() -> str:
    """The name of the C++ compiler for this machine."""
    return os.environ.get("CXX", "g++")


def compiler_at(name: str, what: str) -> str:
    """The path of a compiler; MissingError where it is not installed."""
    compiler = shutil.which(name)
    if compiler is None:
        hint = "install g++ (or set CXX)" if name == own_compiler() else f"install {name}"
        raise MissingError(f"there is no C++ compiler to build {what}", hint)
    return compiler


def json_headers() -> Path:
    """The folder that holds nlohmann/json.hpp; MissingError where the package is not installed."""
    for place in places("nlohmann_json"):
        if (place / "include" / "nlohmann" / "json.hpp").exists():
            return place / "include"
    raise missing_extra("executorch", JSON_HEADERS)


def compile_runner(kit: Kit, package: Path, compiler: str, sources: Path, out: Path) -> None:
    """Write the runner into `out`, linked to the libraries that lie there in `lib`, where it looks for them.

    The headers are those of `package`, a folder as in the runtime's wheel. DeviceError when the compiler rejects the
    sources.
    """
    command = [
        *(compiler, str(_compiled(kit, package, compiler, sources)), "-o", str(out / RUNNER), f"-L{out / LIBRARIES}"),
        # kernels and backends register themselves: no symbol of theirs is named, so the linker would drop them
        *("-Wl,--no-as-needed", *(f"-l:{name}" for name in kit.files().values()), "-Wl,--as-needed"),
        f"-Wl,-rpath,$ORIGIN/{LIBRARIES}",
        "-Wl,--allow-shlib-undefined",  # of another CPU's libraries the C library is not looked into
    ]
    _call(kit, command)


def _compiled(kit: Kit, package: Path, compiler: str, sources: Path) -> Path:
    """The runner before it is linked, which all kinds of it share."""
    headers = [json_headers(), *(package / folder for folder in kit.includes)]
    names = (f'-DENGINE="{kit.runtime}.hpp"', f'-DRUNTIME_NAME="{kit.runtime}"', f'-DRUNTIME_VERSION="{kit.version}"')
    command = [
        *(compiler, "-std=c++17", "-O1", *kit.flags, *names),  # what takes time is in the libraries
        *(part for folder in headers for part in ("-isystem", str(folder))),
        *("-c", str(sources / "main.cpp"), "-o"),
    ]
    key = key_of(kit, package, sources, compiler, __file__)
    what = f"the {kit.title} runner"
    return kept("runner-objects", key, what, lambda folder: _call(kit, [*command, str(folder / OBJECT)])) / OBJECT


def _call(kit: Kit, command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DeviceError(
            f"the {kit.title} runner does not compile: {done.stderr.strip()[-1000:]}",
            "set CXX to another compiler, or to nothing that exists for the slower Python agent",
        )


def key_of(kit: Kit, package: Path, sources: Path, compiler: str, builder: str) -> str:
    """Changes with the sources, the modules that build, the wheel (version and place), the headers, the compiler."""
    about = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False).stdout
    folders = (str(package), str(json_headers()), compiler)  # MissingError before a version is asked for
    parts = (kit.runtime, *folders, kit.version, version(JSON_HEADERS), about)
    sha = hashlib.sha256("\0".join(parts).encode())
    for file in (*made_by(), Path(builder), *cpp(sources)):
        sha.update(file.name.encode() + b"\0" + file.read_bytes())
    return sha.hexdigest()[:24]


def cpp(sources: Path) -> list[Path]:
    """The C++ files of the runners."""
    return sorted(sources.glob("*.?pp"))


def made_by() -> tuple[Path, ...]:
    """The modules that say how runners are built."""
    from edgeship.toolchain.devices.agents import kits

    return (Path(__file__), Path(kits.__file__))

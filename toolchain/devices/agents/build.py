"""Builds the C++ ExecuTorch runner from the executorch wheel, once per sources, wheel and compiler."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

from edgeship.toolchain.api import DeviceError, MissingError, missing_extra
from edgeship.toolchain.devices.agents.kept import kept

LIBRARIES = (
    "executorch",
    "executorch_kernels_optimized",
    "executorch_kernels_quantized",
    "executorch_backend_xnnpack",
    "executorch_threadpool",
)
# the wheel's own build settings: its headers only fit its libraries with these
DEFINITIONS = ("-DC10_USING_CUSTOM_GENERATED_MACROS", "-DET_EVENT_TRACER_ENABLED", "-DET_USE_THREADPOOL")
JSON_HEADERS = "nlohmann-json"
"""The distribution that brings nlohmann/json.hpp, so that nothing but a compiler must come from the system."""


@functools.cache
def build(sources: Path) -> Path:
    """The runner's path; compiles `sources` into the cache folder if it is not there yet.

    Raises MissingError without a compiler, the JSON headers or the wheel's libraries; DeviceError when the compiler
    rejects the sources.
    """
    compiler = shutil.which(own_compiler())
    if compiler is None:
        raise MissingError("there is no C++ compiler to build the ExecuTorch runner", "install g++ (or set CXX)")
    key = key_of(sources, compiler, __file__)

    def make(folder: Path) -> None:
        compile_runner(compiler, sources, folder, wheel_folder() / "lib")
        (folder / "lib").symlink_to(wheel_folder() / "lib")

    return kept("native-runner", key, "the ExecuTorch runner", make) / "runner"


def own_compiler() -> str:
    """The name of the C++ compiler for this machine."""
    return os.environ.get("CXX", "g++")


def wheel_folder() -> Path:
    """The installed executorch package; MissingError when it brings no C++ libraries."""
    for place in _places("executorch"):
        if (place / "lib" / "libexecutorch.so").exists() and (place / "include").exists():
            return place
    raise MissingError("this executorch brings no C++ libraries", "pip install 'edgeship[executorch]' on Linux")


def json_headers() -> Path:
    """The folder that holds nlohmann/json.hpp; MissingError where the package is not installed."""
    for place in _places("nlohmann_json"):
        if (place / "include" / "nlohmann" / "json.hpp").exists():
            return place / "include"
    raise missing_extra("executorch", JSON_HEADERS)


def _places(package: str) -> list[Path]:
    """The folders of an installed package, which is not imported for it."""
    spec = importlib.util.find_spec(package)
    return [Path(place) for place in (spec.submodule_search_locations or [] if spec else [])]


def compile_runner(compiler: str, sources: Path, out: Path, libraries: Path) -> None:
    """Write `runner` into `out`, linked to the wheel's libraries in `libraries`; it looks for them in `lib` beside it.

    DeviceError when the compiler rejects the sources.
    """
    wheel, headers = wheel_folder(), json_headers()
    command = [
        *(compiler, "-std=c++17", "-O2", *DEFINITIONS, f'-DEXECUTORCH_VERSION="{version("executorch")}"'),
        *("-isystem", str(headers)),
        *("-isystem", str(wheel / "include")),
        *("-isystem", str(wheel / "include/executorch/runtime/core/portable_type/c10")),
        *(str(sources / "main.cpp"), "-o", str(out / "runner"), f"-L{libraries}"),
        # kernels and backends register themselves: no symbol of theirs is named, so the linker would drop them
        *("-Wl,--no-as-needed", *(f"-l{name}" for name in LIBRARIES), "-Wl,--as-needed", "-Wl,-rpath,$ORIGIN/lib"),
        "-Wl,--allow-shlib-undefined",  # of another CPU's libraries the C library is not looked into
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DeviceError(
            f"the ExecuTorch runner does not compile: {done.stderr.strip()[-1000:]}",
            "set CXX to another compiler, or to nothing that exists for the slower Python agent",
        )


def key_of(sources: Path, compiler: str, builder: str) -> str:
    """Changes with the sources, the module that builds, the wheel (version and place), the headers, the compiler."""
    about = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False).stdout
    places = (str(wheel_folder()), str(json_headers()), compiler)  # MissingError before a version is asked for
    parts = (*places, version("executorch"), version(JSON_HEADERS), about)
    sha = hashlib.sha256("\0".join(parts).encode())
    for file in (Path(__file__), Path(builder), *sorted(sources.glob("*.?pp"))):
        sha.update(file.name.encode() + b"\0" + file.read_bytes())
    return sha.hexdigest()[:24]

"""Whether this machine can build native programs, and how the tests build those of apps/linux/cpp."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from edgeship.toolchain.devices.agents.build import json_headers
from edgeship.toolchain.devices.agents.kits import KITS

APPS = Path(__file__).resolve().parent.parent / "apps"
STRICT = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror", "-ffp-contract=off")
needs_native = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++: the native runner cannot be built")
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++ (make system-deps)")


def compiled(source: Path, out: Path, flags: Sequence[str] = (), runtime: str | None = None) -> Path:
    """Build a program on the C++ library, with a runtime's wheel where one is named."""
    command = ["g++", "-std=c++17", "-O1", *STRICT, *flags, f"-I{APPS / 'linux/cpp/include'}"]
    command += [f"-I{APPS / 'agents/native'}", "-isystem", str(json_headers())]
    link: list[str] = []
    if runtime is not None:
        kit = KITS[runtime]
        package, libraries = kit.folder(), out.parent / f"lib-{runtime}"
        libraries.mkdir(exist_ok=True)
        for file, name in kit.files().items():
            if not (libraries / name).exists():
                (libraries / name).symlink_to(package / file)
        command += [*kit.flags, *(part for folder in kit.includes for part in ("-isystem", str(package / folder)))]
        names = [f"-l:{name}" for name in kit.files().values()]
        link = [f"-L{libraries}", "-Wl,--no-as-needed", *names, f"-Wl,-rpath,{libraries}"]
    done = subprocess.run([*command, str(source), "-o", str(out), *link], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return out

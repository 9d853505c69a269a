"""The installed user-mode qemu, the counter that is built for it, and the folder that it shows as a machine."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from edgeship.toolchain.api import DeviceError, MissingError
from edgeship.toolchain.devices.agents.kept import kept
from edgeship.toolchain.devices.agents.python import agents_folder
from edgeship.toolchain.devices.emulated.cores import Core

QEMU = "qemu-aarch64"
CPU = "QEMU_CPU"
COUNTS = "EDGESHIP_COUNTS"
"""The environment variable that names the counter's file."""


@dataclass(frozen=True)
class Qemu:
    """An installed qemu."""

    path: str
    version: str

    @property
    def plugin_api(self) -> int:
        """Which of the plugin interfaces in instructions.c it has: 1 to QEMU 8, 2 in 9.0, 3 since 9.1."""
        major, minor = (int(part) for part in self.version.split(".")[:2])
        return 1 if major < 9 else 2 if (major, minor) == (9, 0) else 3

    def counter(self) -> Path:
        """The counter as a library for this qemu, compiled where it is not kept; MissingError without a C compiler."""
        source = agents_folder() / "emulated" / "instructions.c"
        compiler = shutil.which(os.environ.get("CC", "gcc"))
        if compiler is None:
            raise MissingError("there is no C compiler to build the instruction counter", "install gcc (or set CC)")
        key = hashlib.sha256(b"\0".join((source.read_bytes(), self.version.encode(), compiler.encode()))).hexdigest()

        def make(folder: Path) -> None:
            options = ("-shared", "-fPIC", "-O2", f"-DAPI={self.plugin_api}")
            command = [compiler, *options, "-o", str(folder / "counter.so"), str(source)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                hint = "set CC to another compiler"
                raise DeviceError(f"the instruction counter does not compile: {done.stderr.strip()[-500:]}", hint)

        return kept("instruction-counter", key[:24], "the instruction counter", make) / "counter.so"


@functools.cache
def installed() -> Qemu:
    """The qemu that is found on the path; MissingError where there is none, or one without plugins."""
    path = shutil.which(QEMU)
    if path is None:
        raise MissingError(f"there is no {QEMU} to stand in for an ARM core", "install qemu-user")
    about = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"version (\d+\.\d+(?:\.\d+)?)", about)
    usage = subprocess.run([path, "-h"], capture_output=True, text=True, check=False).stdout
    if version is None or "-plugin" not in usage:
        raise MissingError(f"{path} takes no plugins, so it cannot count", "install qemu-user, not qemu-user-static")
    return Qemu(path, version[1])


def machine(core: Core) -> Path:
    """A folder for qemu's -L with what libraries look at to choose their kernels: one core of this kind."""

    def make(folder: Path) -> None:
        (folder / "proc").mkdir()
        (folder / "proc" / "cpuinfo").write_text(core.cpuinfo())
        cpus = folder / "sys" / "devices" / "system" / "cpu"
        cpus.mkdir(parents=True)
        for name in ("possible", "present"):
            (cpus / name).write_text("0\n")

    key = hashlib.sha256(core.cpuinfo().encode()).hexdigest()[:24]
    return kept("emulated-machines", key, "an emulated machine", make)

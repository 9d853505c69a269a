"""Arm64 boards on this host: a small root folder of Debian's packages, entered over ssh and executed by qemu.

Linux 6.7 gives every user namespace handlers of its own for foreign programs: nothing is registered for this machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from edgeship.toolchain.devices.emulated import qemu
from edgeship.toolchain.devices.emulated.cores import CORES

ROOTS = {
    # glibc 2.31, no Python
    "debian-11": ("bullseye", ("dash", "coreutils", "sed", "grep", "mawk")),
    # no glibc at all; a shell of musl (busybox' own starts itself by /proc/self/exe, which is qemu here)
    "musl": ("bookworm", ("busybox-static", "mksh", "musl")),
}
# an ELF header's first bytes: 64 bits, little-endian, an executable or a shared one, for arm64
MAGIC = bytes([*b"\x7fELF", 2, 1, 1, *[0] * 9, 2, 0, 0xB7, 0])
MASK = bytes([*[0xFF] * 7, 0, *[0xFF] * 8, 0xFE, *[0xFF] * 3])
QEMU = shutil.which("qemu-aarch64-static")
ENTER = r"""
set -e
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
echo ':arm64:M::{magic}:{mask}:{qemu}:F' > /proc/sys/fs/binfmt_misc/register
mount --rbind /proc "{root}/proc"
mount --rbind /dev "{root}/dev"
mount --rbind /sys "{root}/sys"
mount --bind "{core}/proc/cpuinfo" "{root}/proc/cpuinfo"  # libraries choose their kernels by it
export HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin QEMU_CPU={cpu}
exec chroot "{root}" /bin/sh -c "$SSH_ORIGINAL_COMMAND"
"""


def missing() -> str:
    """What a board needs that is not here; empty where nothing is missing."""
    if QEMU is None or shutil.which("mmdebstrap") is None:
        return "no qemu-user-static or no mmdebstrap (make system-deps)"
    tried = subprocess.run(
        ["unshare", "-Urm", "mount", "-t", "binfmt_misc", "none", "/proc/sys/fs/binfmt_misc"],
        capture_output=True,
        check=False,
    )
    return "" if tried.returncode == 0 else "this kernel gives user namespaces no binfmt_misc of their own (before 6.7)"


def entrance(name: str, folder: Path) -> str:
    """The command that a server has to run for every command that is sent to the board; its root lies in `folder`."""
    suite, packages = ROOTS[name]
    root = folder / name
    subprocess.run(
        [
            "mmdebstrap", "--quiet", "--variant=extract", "--architectures=arm64",
            f"--include={','.join(packages)}",
            # the packages of an old suite that were mended later are no longer all there
            '--setup-hook=sed -i /security/d "$1"/etc/apt/sources.list', suite, str(root),
        ],
        check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    for below in ("proc", "dev", "sys", "tmp", "root"):
        (root / below).mkdir(exist_ok=True)
    if name == "musl":
        for glibc in (*root.glob("lib/ld-linux-*"), root / "lib" / "aarch64-linux-gnu"):
            shutil.rmtree(glibc) if glibc.is_dir() else glibc.unlink()
        (root / "bin" / "sh").unlink(missing_ok=True)
        (root / "bin" / "sh").symlink_to("../usr/lib/aarch64-linux-musl/bin/mksh")
        busybox = [str(QEMU), str(root / "bin" / "busybox"), "--list"]
        for command in subprocess.run(busybox, capture_output=True, text=True, check=True).stdout.split():
            if not os.path.lexists(root / "bin" / command):
                (root / "bin" / command).symlink_to("busybox")
    script = folder / f"{name}.sh"
    core = CORES["cortex-a72"]
    words = {"qemu": QEMU, "root": root, "core": qemu.machine(core), "cpu": core.emulated_as}
    script.write_text(ENTER.format(magic=_escaped(MAGIC), mask=_escaped(MASK), **words))
    return f"unshare -Urm sh {script}"


def _escaped(data: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in data)

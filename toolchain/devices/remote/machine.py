"""What a Linux machine is, as its shell tells: no Python is needed there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeship.toolchain.api import DeviceError
from edgeship.toolchain.devices.agents.python import known_cpu_features

ARCHITECTURES = {
    "aarch64": "arm64", "arm64": "arm64", "armv7l": "armv7", "armv8l": "armv7", "x86_64": "x86_64",
    "riscv64": "riscv64",
}  # fmt: skip
# $1: the folder for everything; a line is a name and what there is to say
PROBE = r"""
case $1 in "~"/*) folder=$HOME/${1#"~/"} ;; *) folder=$1 ;; esac
echo "system $(uname -s)"; echo "release $(uname -r)"; echo "machine $(uname -m)"
if mkdir -p "$folder" 2>/dev/null && cd "$folder" && folder=$(pwd -P); then
    echo "folder $folder"
    test=$folder/.edgeship-$$
    sh=$(command -v sh); case $sh in /*) ;; *) sh=/bin/sh ;; esac  # a busybox may only say that it has one
    if printf '#!%s\nexit 0\n' "$sh" > "$test"; then
        echo "writable yes"
        chmod 700 "$test"; "$test" && echo "executes yes"
        rm -f "$test"
    fi
fi 2>/dev/null
test -r /proc/device-tree/model && echo "board $(tr -d '\0' < /proc/device-tree/model)"
command -v getprop > /dev/null && for name in build.version.release product.manufacturer product.model soc.model \
    board.platform build.type kernel.qemu boot.qemu; do echo "android $name $(getprop "ro.$name")"; done
# another process of ours, for an emulator hides itself from the one that asks
echo "executed_by $(readlink /proc/$$/exe) $(readlink /proc/$PPID/exe)" 2>/dev/null
sed -n 's/^MemTotal: *\([0-9]*\) kB$/ram_kb \1/p' /proc/meminfo
sed -n 's/^\([A-Za-z ]*[A-Za-z]\)[[:space:]]*:/cpu \1:/p' /proc/cpuinfo
exit 0
"""

_EMULATOR = re.compile(r"qemu[\w.-]*")


@dataclass(frozen=True)
class Machine:
    """A machine's facts, and the folder there that is ours."""

    facts: dict[str, Any]
    folder: str


def read(host: str, wanted: str, told: str) -> Machine:
    """Understand what PROBE printed; DeviceError where nothing can be executed in the folder `wanted`."""
    lines = [line.partition(" ")[::2] for line in told.splitlines()]
    said = {name: text for name, text in lines if name not in ("cpu", "android")}
    android = dict(text.partition(" ")[::2] for name, text in lines if name == "android")
    cpu = [tuple(part.strip() for part in text.partition(":")[::2]) for name, text in lines if name == "cpu"]
    if said.get("system") != "Linux" or (arch := ARCHITECTURES.get(said.get("machine", ""))) is None:
        what = f"{said.get('system', 'nothing known')} on {said.get('machine', 'an unknown CPU')}"
        raise DeviceError(f"{host} is {what}: only Linux on arm64, armv7, x86_64 and riscv64 is known", "use another")
    folder = said.get("folder", wanted)
    if "writable" not in said:
        raise DeviceError(f"cannot write to {wanted} on {host}", "let `folder` name a folder there that is yours")
    if "executes" not in said:
        hint = "let `folder` name one where programs may run"
        raise DeviceError(f"no program may run in {folder} on {host} (it is mounted noexec)", hint)
    values = {name.lower(): value for name, value in reversed(cpu)}
    found = {
        "arch": arch,
        "cores": max(1, sum(name == "processor" for name, _ in cpu)),
        "features": sorted(known_cpu_features() & set((values.get("flags") or values.get("features") or "").split())),
    }
    system = {
        "name": "android" if android else "linux",
        "version": android.get("build.version.release") or said["release"],
    }
    facts: dict[str, Any] = {"os": system, "cpu": {name: value for name, value in found.items() if value}}
    facts |= {name: text for name, text in _phone(android).items() if text}
    # an ARM core has no vendor_id: that is the host's /proc/cpuinfo
    emulator = _EMULATOR.search(said.get("executed_by", ""))
    if "1" in (android.get("kernel.qemu"), android.get("boot.qemu")):
        return Machine({**facts, "emulator": True, "emulated_by": "the Android emulator"}, folder)
    if emulator or (arch.startswith("arm") and "vendor_id" in values):
        return Machine({**facts, "emulator": True, "emulated_by": emulator[0] if emulator else "qemu"}, folder)
    if model := said.get("board") or values.get("model name") or values.get("hardware"):
        facts.setdefault("model", re.sub(r"\s+", " ", model))
    if ram := said.get("ram_kb"):
        facts["ram"] = int(ram) * 1024
    return Machine(facts, folder)


def _phone(android: Mapping[str, str]) -> dict[str, str]:
    """What a phone's properties say of its maker, its name and its chip."""
    return {
        "manufacturer": android.get("product.manufacturer", ""),
        "model": android.get("product.model", ""),
        "soc": android.get("soc.model") or android.get("board.platform", ""),
    }

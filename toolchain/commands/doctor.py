"""What is there: the registered plugins and what this machine can do."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from importlib.util import cache_from_source, find_spec
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from edgeship.toolchain import registry
from edgeship.toolchain.build import keys
from edgeship.toolchain.errors import install_command
from edgeship.toolchain.plugin import Plugin, Target

PROGRAMS = {
    "g++": ("the native ExecuTorch runner (without it: a flagged Python fallback)", "apt install g++"),
    "chromium": ("browsers as devices", "apt install chromium"),
    "npm": ("browsers as devices: it installs their runtimes", "apt install npm"),
    "qemu-aarch64": ("ARM cores as devices", "apt install qemu-user g++-aarch64-linux-gnu"),
    "adb": ("Android phones as devices", "apt install adb"),
}


def plugins() -> list[dict[str, Any]]:
    """One row per plugin: group, name, what it does, whether it is installed, its options."""
    rows = []
    groups: tuple[registry.Group, ...] = ("passes", "targets", "datasets", "metrics", "devices", "analyses")
    for group in groups:
        for name in registry.names(group):
            plugin = registry.load(group, name)
            missing = [package for package in plugin.packages if not registry.version_of(package)]
            rows.append(
                {
                    "group": group,
                    "name": name,
                    "about": (plugin.__doc__ or "").strip().splitlines()[0],
                    "installed": not missing,
                    "install": install_command(plugin.extra, " ".join(missing)) if missing else "",
                    "specs": _specs(plugin),
                    "needs": sorted(plugin.needs),
                    "options": {key: _option(field) for key, field in plugin.model_fields.items()},
                }
            )
    return rows


def _specs(plugin: type[Plugin]) -> list[str]:
    """What a target carries with its default options."""
    required = any(field.is_required() for field in plugin.model_fields.values())
    target = plugin.model_construct() if required else plugin()
    return sorted(target.schemes()) if isinstance(target, Target) else []


def _option(field: FieldInfo) -> dict[str, Any]:
    default = field.get_default(call_default_factory=True)
    plain = default is None or isinstance(default, bool | int | float | str)
    return {"default": default if plain else str(default), "about": field.description or ""}


def machine() -> list[dict[str, str]]:
    """One row per thing that some part of edgeship wants: what, found, for, remedy."""
    rows = [{"what": "edgeship", "found": registry.version_of("edgeship"), "for": "everything", "remedy": ""}]
    rows += [{"what": "python", "found": platform.python_version(), "for": "everything", "remedy": ""}]
    wanted: dict[str, tuple[str, str]] = dict.fromkeys(keys.BASE_PACKAGES, ("everything", ""))
    for group in ("targets", "passes", "datasets"):
        for name in registry.names(group):
            plugin = registry.load(group, name)
            for package in plugin.packages:
                wanted.setdefault(package, (name, plugin.extra))
    for package, (name, extra) in wanted.items():
        found = registry.version_of(package)
        remedy = "" if found else install_command(extra, package)
        rows.append({"what": package, "found": found, "for": name, "remedy": remedy})
    if (torch := find_spec("torch")) and torch.origin:
        rows.append(bytecode(Path(torch.origin), writes=not sys.dont_write_bytecode))
    for program, (purpose, remedy) in PROGRAMS.items():
        path = shutil.which(program) or ""
        rows.append({"what": program, "found": path, "for": purpose, "remedy": "" if path else remedy})
    system = platform.system()
    apple = "executes here" if system == "Darwin" else "built and evaluated by reference here; executes on macOS"
    rows.append({"what": system, "found": platform.machine(), "for": f"Core ML: {apple}", "remedy": ""})
    return rows


def bytecode(source: Path, writes: bool) -> dict[str, str]:
    """Whether a module is compiled once, or by every process that imports it: 12 s each for torch on slow cores.

    uv installs without bytecode, and container images tell Python to write none.
    """
    there = Path(cache_from_source(str(source))).exists()
    comes = writes and os.access(source.parent, os.W_OK)
    return {
        "what": "bytecode",
        "found": "on disk" if there else "comes with the first use" if comes else "",
        "for": "starting: without it every process compiles torch and the exporters anew",
        "remedy": "" if there or comes else f"python -m compileall -q {source.parent.parent}",
    }

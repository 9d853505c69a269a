"""The runtimes of the browser agent: what its package-lock.json names, installed by npm into the cache."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from edgeship.toolchain.api import MissingError, digest
from edgeship.toolchain.devices.agents.kept import kept
from edgeship.toolchain.devices.agents.python import agents_folder

LOCK = "package-lock.json"
MANIFEST = "package.json"
INSTALL_S = 600


def sources() -> tuple[Path, ...]:
    """The agent's files, which name the versions of the runtimes, too."""
    return tuple(sorted(file for file in (agents_folder() / "browser").iterdir() if file.is_file()))


def node_modules() -> Path:
    """Where the packages lie; installed at first use. MissingError without npm, or where it cannot get them."""
    lock = agents_folder() / "browser" / LOCK
    return kept("npm", digest(lock)[:32], "the browser's runtimes", _install) / "node_modules"


def _install(folder: Path) -> None:
    """As the lock says, digests checked; nothing that a package brings is run."""
    if shutil.which("npm") is None:
        raise MissingError("npm is missing: it installs onnxruntime-web and LiteRT.js", "apt install npm")
    for name in (MANIFEST, LOCK):
        shutil.copyfile(agents_folder() / "browser" / name, folder / name)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise MissingError(f"npm did not end within {INSTALL_S} s", "is its registry reached?") from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise MissingError(
            f"npm cannot install the browser's runtimes: {said[0] if said else 'no word'}", "see npm's log"
        )

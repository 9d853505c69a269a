"""An sshd of this machine's own on loopback, with keys that only a test has, and the options that reach it."""

from __future__ import annotations

import contextlib
import getpass
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
DROPBEAR = shutil.which("dropbear", path="/usr/sbin:/usr/local/sbin:/usr/bin")
CONFIG = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/client.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
"""


@dataclass(frozen=True)
class Server:
    """What a client must know."""

    host: str
    options: tuple[str, ...]


@contextlib.contextmanager
def openssh(folder: Path, entrance: str = "") -> Iterator[Server]:
    """One that has everything but sftp; with an `entrance`, that runs for each command (SSH_ORIGINAL_COMMAND)."""
    assert SSHD is not None
    port = _prepare(folder)
    forced = f"ForceCommand {entrance}\n" if entrance else ""
    (folder / "sshd_config").write_text(CONFIG.format(port=port, folder=folder) + forced)
    Path("/run/sshd").mkdir(exist_ok=True)  # which it asks for where it is started by root
    with _running([SSHD, "-D", "-e", "-f", str(folder / "sshd_config")], folder, port) as server:
        yield server


@contextlib.contextmanager
def dropbear(folder: Path) -> Iterator[Server]:
    """One as boards have it; it knows keys from the home folder alone, so it gets one of its own (root only)."""
    assert DROPBEAR is not None
    port = _prepare(folder)
    keys = folder / "home" / ".ssh"
    keys.mkdir(parents=True, mode=0o700)
    shutil.copy(folder / "client.pub", keys / "authorized_keys")
    (keys / "authorized_keys").chmod(0o600)
    host = folder / "dropbear-host"
    subprocess.run(["dropbearkey", "-t", "ed25519", "-f", str(host)], check=True, capture_output=True)
    public = subprocess.run(["dropbearkey", "-y", "-f", str(host)], check=True, capture_output=True, text=True).stdout
    key = next(line for line in public.splitlines() if line.startswith("ssh-"))
    (folder / "known").write_text(f"[127.0.0.1]:{port} {key}\n")
    serve = f'mount --bind "$1" "$HOME" && exec "{DROPBEAR}" -F -E -s -p 127.0.0.1:{port} -r "{host}" -P "{folder}/pid"'
    with _running(["unshare", "-m", "sh", "-c", serve, "sh", str(keys.parent)], folder, port) as server:
        yield server


def can_serve_dropbear() -> bool:
    """Whether it is installed, and a home folder may be put in another's place."""
    if DROPBEAR is None or shutil.which("unshare") is None:
        return False
    tried = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False)
    return tried.returncode == 0 and getpass.getuser() == "root"


def _prepare(folder: Path) -> int:
    """Keys of the host and of the client, known to one another; a port that is free."""
    for name in ("host", "client"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    kind, key, *_ = (folder / "host.pub").read_text().split()
    (folder / "known").write_text(f"[127.0.0.1]:{port} {kind} {key}\n")
    return port


@contextlib.contextmanager
def _running(command: list[str], folder: Path, port: int) -> Iterator[Server]:
    log = folder / "server.log"
    options = (
        f"Port={port}", f"IdentityFile={folder}/client", "IdentitiesOnly=yes", "IdentityAgent=none",
        f"UserKnownHostsFile={folder}/known", "GlobalKnownHostsFile=/dev/null",
    )  # fmt: skip
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream)
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        yield Server("127.0.0.1", options)
    finally:
        process.terminate()
        process.wait()

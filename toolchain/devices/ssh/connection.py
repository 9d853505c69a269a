"""One connection to a machine by the system's ssh, and the commands that run over it."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from edgeship.toolchain.api import DeviceError, MissingError

CONNECT_S = 15
ASK_S = 60.0
"""How long a question may take."""
IDLE_S = 60
"""How long a connection outlives us where we are killed."""
# the command's own id first, so that it can be ended; its code last: ssh's is 255 for a signal and a lost connection
RUN = """sh -c 'echo "edgeship $$ $0"; exec "$@"' $$ "$@" </dev/null 2>&1
code=$?; echo; echo "edgeship ended $code" """
KILL = 'kill -KILL "$1"; kill -KILL -- "-$2"'
# what is at its place is whole: renamed when all of it is there
UNPACK = 'rm -rf "$1" && mkdir -p "$1" && tar -xf - -C "$1" && mv "$1/$2" "$3" && rmdir "$1"'
_BEGUN = re.compile(rb"edgeship (\d+) (\d+)\n")
_ENDED = re.compile(rb"\nedgeship ended (\d+)\n$")


class Connection:
    """Commands on `host` over one connection, kept open; configuration, keys and jump hosts are the user's.

    Nothing is ever asked: without a key that opens the door, or with a host key that is not known, it is closed.
    """

    def __init__(self, host: str, options: Sequence[str], socket: Path) -> None:
        self.host = host
        settings = {
            "BatchMode": "yes", "ConnectTimeout": str(CONNECT_S), "ServerAliveInterval": "5",
            "ControlMaster": "auto", "ControlPath": str(socket), "ControlPersist": str(IDLE_S),
        }  # fmt: skip
        words = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
        self._ssh = ["ssh", "-T", *words, *(word for option in options for word in ("-o", option)), "--", host]

    def close(self) -> None:
        """End it."""
        subprocess.run([*self._ssh[:-2], "-O", "exit", "--", self.host], capture_output=True, check=False)

    def ask(self, script: str, *words: str) -> str:
        """What a shell script prints, given words as $1, $2, …; DeviceError when it fails."""
        done = self._there(script, words)
        if done.returncode:
            said = _last(done.stdout) or _last(done.stderr)
            raise DeviceError(f"{self.host} ended a question with code {done.returncode}: {said}", "see what is there")
        return done.stdout.decode(errors="replace")

    def succeeds(self, script: str, *words: str) -> bool:
        """Whether a shell script ends with 0."""
        return self._there(script, words).returncode == 0

    @contextlib.contextmanager
    def begun(self, script: str, *words: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
        """A script's first line and its process, which goes on there until its standard input is closed at the end."""
        line = self._line(script, words)
        with subprocess.Popen(
            line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            assert process.stdout is not None
            yield process.stdout.readline().decode(errors="replace").strip(), process

    def run(self, command: Sequence[str], log: Path, seconds: float, environment: Mapping[str, str]) -> int:
        """Run a command, what it prints into `log`; its exit code, or -signal. TimeoutError past `seconds`."""
        settings = [f"{name}={value}" for name, value in environment.items()]
        words = ["env", *settings, *command] if settings else list(command)
        with log.open("wb") as stream, tempfile.TemporaryFile() as errors:
            try:
                subprocess.run(
                    self._line(RUN, words), stdin=subprocess.DEVNULL, stdout=stream, stderr=errors, timeout=seconds,
                    check=False,
                )  # fmt: skip
                late = False
            except subprocess.TimeoutExpired:
                late = True
            errors.seek(0)
            said = _last(errors.read())
        content = log.read_bytes()
        if begun := _BEGUN.match(content):
            content = content[begun.end() :]
        ended = _ENDED.search(content)
        log.write_bytes(content[: ended.start()] if ended else content)
        if late:
            if begun:
                self._there(KILL, [number.decode() for number in begun.groups()])
            raise TimeoutError
        if ended is None:
            raise DeviceError(f"the connection to {self.host} was lost{f': {said}' if said else ''}", "run it again")
        code = int(ended[1])
        return 128 - code if code > 128 else code  # as shells tell a signal

    def put(self, source: Path, place: str) -> None:
        """Bring a file (with its mode) or a folder to an absolute path, making the folders above."""
        with tempfile.TemporaryFile() as errors, subprocess.Popen(
            self._line(UNPACK, [f"{place}.part", source.name, place]),
            stdin=subprocess.PIPE, stdout=errors, stderr=errors,
        ) as unpacking:  # fmt: skip
            assert unpacking.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                _pack(source, unpacking.stdin)
                unpacking.stdin.close()
            code = unpacking.wait()
            errors.seek(0)
            said = _last(errors.read())
        if code:
            hint = "is there room, and may you write there?"
            raise DeviceError(f"cannot bring {source.name} to {self.host}:{place}: {said}", hint)

    def get(self, place: str, target: Path) -> bool:
        """Bring a file here; False when there is none."""
        with target.open("wb") as stream:
            done = subprocess.run(
                self._line('test -f "$1" && cat "$1"', [place]), stdin=subprocess.DEVNULL, stdout=stream, check=False
            )
        if done.returncode:
            target.unlink()
        return done.returncode == 0

    def _there(self, script: str, words: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self._line(script, words), stdin=subprocess.DEVNULL, capture_output=True, timeout=ASK_S, check=False
        )

    def _line(self, script: str, words: Sequence[str]) -> list[str]:
        """Whatever the login shell is there, a plain one runs the script."""
        return [*self._ssh, shlex.join(["sh", "-c", script, "edgeship", *words])]


@contextlib.contextmanager
def connected(host: str, options: Sequence[str] = ()) -> Iterator[Connection]:
    """Open a connection; MissingError without ssh, DeviceError with ssh's own words where the door stays closed."""
    if shutil.which("ssh") is None:
        raise MissingError("there is no ssh on this machine", "install openssh-client")
    with tempfile.TemporaryDirectory(prefix="edgeship-ssh-") as folder:
        connection = Connection(host, options, Path(folder) / "c")
        try:
            done = connection._there("echo open", [])
            if done.stdout.strip() != b"open":
                said = _last(done.stderr) or f"code {done.returncode}"
                hint = f"`ssh -o BatchMode=yes {host} true` must work without a question"
                raise DeviceError(f"{host} cannot be reached: {said}", hint)
            yield connection
        finally:
            connection.close()


def _pack(source: Path, stream: IO[bytes]) -> None:
    """As a tar archive, links followed, nobody's."""

    def nobody(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member

    buffered = io.BufferedWriter(stream, 1 << 20)
    with tarfile.open(fileobj=buffered, mode="w|", dereference=True, format=tarfile.GNU_FORMAT) as archive:
        archive.add(source.resolve(), source.name, filter=nobody)
    buffered.flush()
    buffered.detach()


def _last(text: bytes) -> str:
    """The last line that says something."""
    lines = [line.strip() for line in text.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else ""

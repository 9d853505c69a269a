"""Commands, files and questions over any program that runs a script elsewhere and hands its streams on."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
import tarfile
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from edgeship.toolchain.api import DeviceError

ASK_S = 60.0
"""How long a question may take."""
# Only what tells its own code has come to its end: what reaches a device ends with 0 when that dies (adb 29), or with a
# code that a signal has, too (ssh).
WITNESSED = """(
{script}
)
code=$?; echo; echo "edgeship ended $code\""""
# $1: the lease that it ends with. The command's own id first, so that it can be ended.
RUN = """lease=$1; shift; test -d "$lease" || lease=
sh -c 'echo "edgeship $$ $0"; test "$1" && echo $$ >"$1/agent-$0"; shift; exec "$@"' $$ "$lease" "$@" </dev/null 2>&1
code=$?; test "$lease" && rm -f "$lease/agent-$$"; exit $code"""
KILL = 'kill -KILL "$1"; kill -KILL -- "-$2"'
# what is at its place is whole: renamed when all of it is there
UNPACK = """exec 2>&1
rm -rf "$1" && mkdir -p "$1" && tar -xf - -C "$1" && mv "$1/$2" "$3" && rmdir "$1" || { rm -rf "$1"; false; }"""
FAREWELL = ("tar: Exiting with failure status", "tar: Error is not recoverable", "tar: Error exit delayed")
_BEGUN = re.compile(rb"edgeship (\d+) (\d+)\n")
_ENDED = re.compile(rb"\nedgeship ended (\d+)\r?\n$")
_TAIL = 64
"""Bytes in which the end of a script is looked for."""


class Remote(ABC):
    """A shell on `host`, as its program reaches it; DeviceError wherever the way there is lost.

    `lease` is the folder there of the lease that is held, empty where none is.
    """

    def __init__(self, host: str) -> None:
        self.host = host
        self.lease = ""

    @abstractmethod
    def line(self, script: str) -> list[str]:
        """What runs a script of a plain shell there, its standard streams being the process's."""

    def ask(self, script: str, *words: str) -> str:
        """What a shell script prints, given words as $1, $2, …; DeviceError when it fails."""
        code, said, errors = self.there(script, words)
        if code:
            raise DeviceError(
                f"{self.host} ended a question with code {code}: {last(said) or last(errors)}", "see what is there"
            )
        return said.decode(errors="replace")

    def succeeds(self, script: str, *words: str) -> bool:
        """Whether a shell script ends with 0."""
        return self.there(script, words)[0] == 0

    @contextlib.contextmanager
    def begun(self, script: str, *words: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
        """A script's first line and its process, which goes on there until its standard input is closed at the end."""
        with subprocess.Popen(
            self.line(_call(script, words)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            assert process.stdout is not None
            yield process.stdout.readline().decode(errors="replace").strip(), process

    def run(self, command: Sequence[str], log: Path, seconds: float, environment: Mapping[str, str]) -> int:
        """Run a command, what it prints into `log`; its exit code, or -signal. TimeoutError past `seconds`.

        It ends with the lease, where one is held: with the connection, whatever becomes of this process.
        """
        settings = [f"{name}={value}" for name, value in environment.items()]
        words = ["env", *settings, *command] if settings else list(command)
        late = False
        with log.open("w+b") as stream, tempfile.TemporaryFile() as errors:
            try:
                subprocess.run(
                    self._witnessed(RUN, [self.lease, *words]),
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=errors,
                    timeout=seconds,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                late = True
            code = None if late else _cut(stream)
            errors.seek(0)
            said = last(errors.read())
        content = log.read_bytes()
        begun = _BEGUN.match(content)
        if begun:
            log.write_bytes(content[begun.end() :])
        if late:
            if begun:
                with contextlib.suppress(DeviceError):
                    self.there(KILL, [number.decode() for number in begun.groups()])
            raise TimeoutError
        if code is None:
            raise self._lost(said)
        return 128 - code if code > 128 else code  # as shells tell a signal

    def put(self, source: Path, place: str) -> None:
        """Bring a file (with its mode) or a folder to an absolute path, making the folders above."""
        line = self._witnessed(UNPACK, [f"{place}.part", source.name, place])
        with (
            tempfile.TemporaryFile() as told,
            tempfile.TemporaryFile() as errors,
            subprocess.Popen(line, stdin=subprocess.PIPE, stdout=told, stderr=errors) as unpacking,
        ):
            assert unpacking.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                _pack(source, unpacking.stdin)
                unpacking.stdin.close()
            unpacking.wait()
            code = _cut(told)
            told.seek(0)
            errors.seek(0)
            said = last(told.read()) or last(errors.read())
        if code is None:
            raise self._lost(said)
        if code:
            hint = "is there room, and may you write there?"
            raise DeviceError(f"cannot bring {source.name} to {self.host}:{place}: {said}", hint)

    def get(self, place: str, target: Path) -> bool:
        """Bring a file here; False when there is none."""
        line = self._witnessed('test -f "$1" && cat "$1"', [place])
        with target.open("w+b") as stream, tempfile.TemporaryFile() as errors:
            subprocess.run(line, stdin=subprocess.DEVNULL, stdout=stream, stderr=errors, check=False)
            code = _cut(stream)
            errors.seek(0)
            said = last(errors.read())
        if code != 0:
            target.unlink()
        if code is None:
            raise self._lost(said)
        return code == 0

    def there(self, script: str, words: Sequence[str]) -> tuple[int, bytes, bytes]:
        """A script's code and what it printed on both streams; DeviceError where it did not come to its end."""
        try:
            done = subprocess.run(
                self._witnessed(script, words),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=ASK_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise DeviceError(f"{self.host} did not answer within {ASK_S:g} s", "is it busy, or asleep?") from error
        ended = _ENDED.search(done.stdout[-_TAIL:])
        if ended is None:
            raise self._lost(last(done.stderr))
        return int(ended[1]), done.stdout[: len(done.stdout) - len(ended[0])], done.stderr

    def _lost(self, said: str) -> DeviceError:
        return DeviceError(f"the connection to {self.host} was lost{f': {said}' if said else ''}", "run it again")

    def _witnessed(self, script: str, words: Sequence[str]) -> list[str]:
        return self.line(_call(WITNESSED.format(script=script), words))


def _call(script: str, words: Sequence[str]) -> str:
    """Whatever the login shell is there, a plain one runs the script, given words as $1, $2, …."""
    return shlex.join(["sh", "-c", script, "edgeship", *words])


def _cut(stream: IO[bytes]) -> int | None:
    """Take the end of a script from what it printed: its code, or None where it did not come to its end."""
    size = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, size - _TAIL))
    ended = _ENDED.search(stream.read())
    if ended is None:
        return None
    stream.truncate(size - len(ended[0]))
    return int(ended[1])


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


def last(text: bytes) -> str:
    """The last line that says something; tar's farewell does not."""
    lines = [line.strip() for line in text.decode(errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(FAREWELL)]
    return telling[-1] if telling else ""

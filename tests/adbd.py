"""A stand-in for a phone's adbd on loopback: the shell of this machine over the protocol that real adb clients speak.

Of the protocol (AOSP, packages/modules/adb/protocol.txt and shell_protocol.h) what `adb connect` and `adb shell` need:
CNXN without AUTH, one WRTE in flight per stream, shell v2 with its streams and exit codes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import struct
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

needs_adb = pytest.mark.skipif(shutil.which("adb") is None, reason="no adb (make system-deps)")
RECORDED = Path(__file__).parent / "recorded" / "android"
TOOLS = {
    "getprop": """case $1 in
        ro.build.version.release) echo 13 ;; ro.product.manufacturer) echo Double ;; ro.product.model) echo Phone 3 ;;
        ro.soc.model) echo SM0001 ;; *) echo ;;
    esac""",
    "dumpsys": f'cat "{RECORDED}/$( [ "$1" = battery ] && echo battery-usb || echo thermalservice-10 ).txt"',
    "settings": "echo 0",
}
"""What a phone's shell has, as scripts."""
VERSION, MOST_BYTES = 0x01000001, 1 << 18  # this version checks no sums
HEADER = struct.Struct("<6I")
PART = struct.Struct("<BI")
STDIN, STDOUT, STDERR, EXIT, CLOSE_STDIN = range(5)
FEATURES = "shell_v2,cmd"


def packet(name: bytes, first: int, second: int, data: bytes = b"") -> bytes:
    """A message: its name, two numbers, its data."""
    code = int.from_bytes(name, "little")
    return HEADER.pack(code, first, second, len(data), 0, code ^ 0xFFFFFFFF) + data


@dataclass
class Phone:
    """What clients meet: commands run by this machine's shell with `tools` first on its PATH."""

    tools: Path
    features: str = FEATURES
    port: int = 0
    commands: list[str] = field(default_factory=list)
    cut_after: int | None = None
    """Bytes of output after which the next cut happens: the cable is pulled."""
    _clients: set[asyncio.StreamWriter] = field(default_factory=set)

    def has(self, name: str, script: str) -> None:
        """Give it a program, as a script of a plain shell."""
        (self.tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.tools / name).chmod(0o755)

    async def serve(self, ready: threading.Event, over: asyncio.Event) -> None:
        """Until it is over."""
        server = await asyncio.start_server(self._client, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        async with server:
            await over.wait()
            for client in list(self._clients):
                client.transport.abort()
            await asyncio.sleep(0.1)  # what was begun for them is ended in the loop

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        streams: dict[int, Stream] = {}
        try:
            while True:
                code, first, second, size, *_ = HEADER.unpack(await reader.readexactly(HEADER.size))
                data = await reader.readexactly(size)
                name = code.to_bytes(4, "little")
                if name == b"CNXN":
                    about = f"device::ro.product.name=double;ro.product.model=Double;features={self.features}"
                    writer.write(packet(b"CNXN", VERSION, MOST_BYTES, about.encode()))
                elif name == b"OPEN":
                    self._open(streams, writer, first, data.rstrip(b"\0").decode())
                elif second in streams:
                    await streams[second].take(name, data)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._clients.discard(writer)
            for stream in streams.values():
                stream.end()
            writer.close()

    def _open(self, streams: dict[int, Stream], writer: asyncio.StreamWriter, theirs: int, service: str) -> None:
        kind, _, command = service.partition(":")
        if not kind.startswith("shell,v2"):
            writer.write(packet(b"CLSE", 0, theirs))
            return
        self.commands.append(command)
        ours = len(streams) + 1
        streams[ours] = Stream(self, writer, ours, theirs)
        streams[ours].task = asyncio.create_task(streams[ours].run(command))


@dataclass
class Stream:
    """One command's."""

    phone: Phone
    writer: asyncio.StreamWriter
    ours: int
    theirs: int
    task: asyncio.Task[None] | None = None
    process: asyncio.subprocess.Process | None = None
    over: bool = False
    _taken: asyncio.Event = field(default_factory=asyncio.Event)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _input: bytes = b""
    _parts: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)

    async def take(self, name: bytes, data: bytes) -> None:
        """A message of the client's to this stream."""
        if name == b"OKAY":
            self._taken.set()
        elif name == b"WRTE":
            self._input += data
            while len(self._input) >= PART.size:
                kind, size = PART.unpack_from(self._input)
                if len(self._input) < PART.size + size:
                    break
                part, self._input = self._input[PART.size : PART.size + size], self._input[PART.size + size :]
                if kind in (STDIN, CLOSE_STDIN):
                    await self._parts.put(part if kind == STDIN else None)
            self.writer.write(packet(b"OKAY", self.ours, self.theirs))
        elif name == b"CLSE":
            self.end()

    async def run(self, command: str) -> None:
        """Begin the command, hand on what it prints, and its code at the end."""
        self.writer.write(packet(b"OKAY", self.ours, self.theirs))
        environment = {**os.environ, "PATH": f"{self.phone.tools}:{os.environ['PATH']}"}
        self.process = await asyncio.create_subprocess_exec(
            *("sh", "-c", command), stdin=-1, stdout=-1, stderr=-1, env=environment, start_new_session=True
        )
        if self.over:  # the client went while it was begun
            self.end()
            return
        assert self.process.stdout
        assert self.process.stderr
        feeding = asyncio.create_task(self._feed())
        pumps = (self._pump(self.process.stdout, STDOUT), self._pump(self.process.stderr, STDERR))
        try:
            with contextlib.suppress(ConnectionError):
                await asyncio.gather(*pumps)
                code = await self.process.wait()
                await self._write(EXIT, bytes([code if code >= 0 else 128 - code]))
                self.writer.write(packet(b"CLSE", self.ours, self.theirs))
        finally:
            feeding.cancel()

    async def _feed(self) -> None:
        assert self.process
        assert self.process.stdin
        while (part := await self._parts.get()) is not None:
            with contextlib.suppress(ConnectionError):
                self.process.stdin.write(part)
                await self.process.stdin.drain()
        self.process.stdin.close()

    async def _pump(self, source: asyncio.StreamReader, kind: int) -> None:
        while data := await source.read(1 << 15):
            await self._write(kind, data)

    async def _write(self, kind: int, data: bytes) -> None:
        if self.phone.cut_after is not None:
            self.phone.cut_after -= len(data)
            if self.phone.cut_after < 0:
                self.phone.cut_after = None
                self.writer.transport.abort()
        async with self._turn:
            self._taken.clear()
            self.writer.write(packet(b"WRTE", self.ours, self.theirs, PART.pack(kind, len(data)) + data))
            await self._taken.wait()

    def end(self) -> None:
        """The client is gone: so is the command, and its standard input is closed."""
        self.over = True
        if self.process is None:
            return  # it ends as soon as it has begun
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGHUP)
            assert self.process.stdin
            self.process.stdin.close()  # what ignores the signal (nohup) sees that
        if self.task:
            self.task.cancel()


@contextlib.contextmanager
def serving(phone: Phone) -> Iterator[Phone]:
    """The phone on a port of its own, in a thread."""
    loop, over, ready = asyncio.new_event_loop(), asyncio.Event(), threading.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(phone.serve(ready, over),), daemon=True)
    thread.start()
    ready.wait(30)
    try:
        yield phone
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(30)


def plugged(phone: Phone) -> str:
    """Connect the client to it; its serial."""
    serial = f"127.0.0.1:{phone.port}"
    done = subprocess.run(["adb", "connect", serial], capture_output=True, text=True, timeout=60, check=True)
    assert "connected to" in done.stdout, done.stdout
    return serial

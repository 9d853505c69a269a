"""Static servers on this machine's loopback: one as it should be, and those that updates meet elsewhere."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

RANGE = re.compile(r"bytes=([0-9]+)-([0-9]*)")


@dataclass
class Habits:
    """What a server does; of every file's first `drops` requests it closes the connection after `drop_after` bytes."""

    drops: int = 0
    drop_after: int = 100_000
    ranges: bool = True
    """Whether it knows byte ranges; else it sends all, as HTTP lets it."""
    refuses_ranges: bool = False
    """416 to each."""
    new_tag_each_time: bool = False
    """The file's entity tag changes from request to request."""
    minds_if_range: bool = True
    short_bodies: int = 0
    """So many requests of every file are answered with half of it, said to be all."""
    more: int = 0
    """Bytes behind a file's end, said to be of it."""
    failures: int = 0
    """So many requests of every file are answered 503."""
    spared: str = ""
    """A file that is served as it should be."""
    on_body: Callable[[str], None] = lambda path: None
    """Called with a file's path before its bytes go out."""


@dataclass
class Site:
    """A server that runs, and what it was asked for: methods and paths, and the bytes of bodies that went out."""

    url: str
    habits: Habits
    asked: list[tuple[str, str]] = field(default_factory=list)
    sent: int = 0

    def count(self, path: str, method: str = "GET") -> int:
        """How often a path was asked for."""
        return self.asked.count((method, path))


@contextlib.contextmanager
def serving(folder: Path, habits: Habits | None = None) -> Iterator[Site]:
    """A folder's files by HTTP/1.1."""
    site = Site("", habits or Habits())

    class Handler(_Handler):
        root, of = folder, site

    server = _Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Clients go away in the middle: that is what is tried."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    root: Path
    of: Site

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""

    def _answer(self, body: bool) -> None:
        site, path = self.of, self.path.lstrip("/")
        habits = Habits(on_body=site.habits.on_body) if path == site.habits.spared else site.habits
        site.asked.append((self.command, path))
        times = site.count(path, self.command)
        file = self.root / path
        if times <= habits.failures:
            return self._head(503, 0)
        if not file.is_file():
            return self._head(404, 0)
        data = file.read_bytes() + bytes(habits.more)
        if habits.failures < times <= habits.failures + habits.short_bodies:
            data = data[: len(data) // 2]
        tag = f'"{times if habits.new_tag_each_time else 0}-{len(data)}"'
        wanted = RANGE.fullmatch(self.headers.get("Range", ""))
        fits = self.headers.get("If-Range") in (None, tag) or not habits.minds_if_range
        if wanted and habits.refuses_ranges:
            return self._head(416, 0)
        if wanted and habits.ranges and fits:
            start, end = int(wanted[1]), int(wanted[2] or len(data) - 1)
            if start >= len(data):
                return self._head(416, 0)
            part = data[start : end + 1]
            self._head(206, len(part), tag, f"bytes {start}-{start + len(part) - 1}/{len(data)}")
        else:
            part = data
            self._head(200, len(part), tag)
        if body:
            habits.on_body(path)
            if times <= habits.failures + habits.drops and len(part) > habits.drop_after:
                part = part[: habits.drop_after]
                self.close_connection = True
            with contextlib.suppress(ConnectionError):
                self.wfile.write(part)
                site.sent += len(part)
        return None

    def _head(self, status: int, length: int, tag: str = "", placed: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        for name, value in (("ETag", tag), ("Content-Range", placed)):
            if value:
                self.send_header(name, value)
        self.end_headers()

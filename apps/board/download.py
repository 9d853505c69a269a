"""A static server's files: byte ranges, several tries, and never more bytes than the budget."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

from .failure import FailedError
from .tree import MOST_BYTES_IN_MEMORY

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
TRIES = 6
"""In a row that bring nothing new."""
LONGEST_PAUSE_S = 30.0
MISSING = (401, 403, 404, 410)
"""What servers answer for a file that they do not have."""
LATER = (408, 425, 429)
"""Worth another try, as 500 and above."""
RANGE = re.compile(r"bytes ([0-9]+)-[0-9]+/([0-9]+|\*)")


class Sink(Protocol):
    """What takes a file's bytes in their order."""

    etag: str | None
    """The server's word for the bytes that were received."""
    received: int

    def take(self, data: bytes) -> None:
        """The next ones."""

    def restart(self) -> None:
        """From the first one."""


@contextmanager
def connected(url: str, budget: int | None, on_try: Callable[[str], None], pause_s: float = 1.0) -> Iterator[Server]:
    """A server's files below an address; `on_try` is told what went wrong before each further try."""
    with new_client() as client:
        yield Server(client, url, budget, on_try, pause_s)


def new_client() -> httpx.Client:
    """Asks for bytes as they are: they are counted, checked and asked for by their place."""
    import httpx

    timeout = httpx.Timeout(30, connect=10)
    return httpx.Client(headers={"Accept-Encoding": "identity"}, timeout=timeout, follow_redirects=True)


class Server:
    """Brings files; `received` counts the bytes of all bodies."""

    def __init__(
        self, client: httpx.Client, url: str, budget: int | None, on_try: Callable[[str], None], pause_s: float
    ) -> None:
        self._client, self._url, self._budget, self._pause_s = client, url.rstrip("/"), budget, pause_s
        self._on_try = on_try
        self.received = 0

    def afford(self, count: int, what: str) -> None:
        """FailedError: budget, where so many bytes more are too many."""
        if self._budget is not None and self.received + count > self._budget:
            total = f"{self.received + count:,} bytes in all"
            raise FailedError("budget", f"{what}: {total}, and the budget is {self._budget:,}")

    def read(self, name: str) -> bytes | None:
        """A small file; None where the server has none. FailedError."""
        return self._patiently(name, lambda: self._read(name))

    def size(self, name: str) -> int | None:
        """How long a file is; None where the server has none, or does not say. FailedError."""

        def ask() -> int | None:
            response = self._client.head(f"{self._url}/{name}")
            self._check_later(response)
            length = response.headers.get("Content-Length", "")
            return int(length) if response.status_code == 200 and length.isdecimal() else None

        return self._patiently(name, ask)

    def fetch(self, name: str, size: int, sink: Sink) -> None:
        """Bring a file of `size` bytes, from where the sink is. FailedError: server, budget."""
        farthest, idle = sink.received, 0
        while sink.received < size:
            said = self._get(name, size, sink)
            if sink.received > farthest:
                farthest, idle = sink.received, 0
            elif (idle := idle + 1) == TRIES:
                raise FailedError("server", f"{self._url}/{name}: {said}, {TRIES} times")
            if sink.received < size:
                self._on_try(f"{self._url}/{name}: {said}")
                self._pause(idle)

    def _get(self, name: str, size: int, sink: Sink) -> str:
        """One request; what was wrong."""
        import httpx

        self.afford(size - sink.received, name)
        headers = {}
        if sink.received:
            headers["Range"] = f"bytes={sink.received}-{size - 1}"
            if sink.etag:
                headers["If-Range"] = sink.etag
        try:
            with self._client.stream("GET", f"{self._url}/{name}", headers=headers) as response:
                skipped = self._placed(response, name, size, sink)
                for data in response.iter_raw():
                    self._count(data, name)
                    new = data[skipped:]
                    skipped -= len(data) - len(new)
                    sink.take(new[: size - sink.received])
                    if sink.received == size:
                        return ""
        except (httpx.RequestError, _AgainError) as error:
            return _said(error)
        return f"{sink.received} bytes came, and not {size}"

    def _placed(self, response: httpx.Response, name: str, size: int, sink: Sink) -> int:
        """How many bytes of a body the sink has already; it starts again where they may be others. _AgainError."""
        self._check_later(response)
        etag = _strong(response)
        if response.status_code == 206:
            placed = RANGE.fullmatch(response.headers.get("Content-Range", ""))
            right = placed and int(placed[1]) == sink.received and placed[2] in (str(size), "*")
            if right and (sink.etag is None or etag in (None, sink.etag)):
                return 0
            sink.restart()
            raise _AgainError("the server's file changed")
        if response.status_code == 416:
            sink.restart()
            raise _AgainError("the server's file is shorter")
        if response.status_code != 200:
            missing = "the server does not have it: if something newer was published, run again"
            said = missing if response.status_code in MISSING else f"the server answers {response.status_code}"
            raise FailedError("server", f"{self._url}/{name}: {said}")
        if sink.received and etag and etag == sink.etag:  # it knows no ranges
            self.afford(size, name)
            return sink.received
        if sink.received:
            sink.restart()
            self.afford(size, name)
        sink.etag = etag
        return 0

    def _read(self, name: str) -> bytes | None:
        found = bytearray()
        with self._client.stream("GET", f"{self._url}/{name}") as response:
            self._check_later(response)
            if response.status_code in MISSING:
                return None
            if response.status_code != 200:
                raise FailedError("server", f"{self._url}/{name}: the server answers {response.status_code}")
            for data in response.iter_raw():
                self._count(data, name)
                found += data
                if len(found) > MOST_BYTES_IN_MEMORY:
                    raise FailedError("server", f"{self._url}/{name}: more than {MOST_BYTES_IN_MEMORY} bytes")
        return bytes(found)

    def _patiently(self, name: str, ask: Callable[[], T]) -> T:
        """Ask again where it may help."""
        import httpx

        for idle in range(TRIES):
            self._pause(idle)
            try:
                return ask()
            except (httpx.RequestError, _AgainError) as error:
                said = _said(error)
                self._on_try(f"{self._url}/{name}: {said}")
        raise FailedError("server", f"{self._url}/{name}: {said}, {TRIES} times")

    def _count(self, data: bytes, name: str) -> None:
        self.received += len(data)
        self.afford(0, name)

    def _check_later(self, response: httpx.Response) -> None:
        if response.status_code in LATER or response.status_code >= 500:
            raise _AgainError(f"the server answers {response.status_code}")

    def _pause(self, idle: int) -> None:
        time.sleep(min(self._pause_s * 2**idle, LONGEST_PAUSE_S) if idle else 0)


class _AgainError(Exception):
    """Another request may do better."""


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__


def _strong(response: httpx.Response) -> str | None:
    """An entity tag that stands for bytes; a weak one does not."""
    etag: str | None = response.headers.get("ETag")
    return None if etag and etag.startswith("W/") else etag

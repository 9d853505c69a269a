"""One launch's page and files over HTTP on this host, isolated as threads and a fine clock want it."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import threading
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

TYPES = {".html": "text/html", ".mjs": "text/javascript", ".js": "text/javascript", ".wasm": "application/wasm"}
HEADERS = {
    # SharedArrayBuffer, and with it threads, and a clock of 5 µs
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cache-Control": "no-store",
}
POLL_S = 0.02
"""How often it looks whether it shall end."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: a browser that was ended breaks its connections off."""


@contextlib.contextmanager
def serving(folders: Mapping[str, Path], files: Mapping[str, Path], takes: Mapping[str, Path]) -> Iterator[str]:
    """The address of what is served as long as the block: nobody guesses it.

    `folders` ("" or a path → what lies below it) and `files` (path → file) can be read, `takes` (path → file) written:
    what is there is whole.
    """
    secret = f"/{secrets.token_urlsafe(16)}/"

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            file = self._file()
            if file is None:
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            with file.open("rb") as stream:
                self._head(HTTPStatus.OK, file.stat().st_size, TYPES.get(file.suffix, "application/octet-stream"))
                with contextlib.suppress(ConnectionError):
                    shutil.copyfileobj(stream, self.wfile)

        def do_PUT(self) -> None:
            target = takes.get(self._path() or "")
            if target is None:
                self.send_error(HTTPStatus.FORBIDDEN)
                return
            part = target.with_name(target.name + ".part")
            left = int(self.headers["Content-Length"])
            try:
                with part.open("wb") as stream:
                    while left and (piece := self.rfile.read(min(left, 1 << 20))):
                        stream.write(piece)
                        left -= len(piece)
                if not left:
                    part.replace(target)
            except OSError as error:  # a full disk: its name goes back with the page's own error
                part.unlink(missing_ok=True)
                self.close_connection = True
                self.send_error(HTTPStatus.INSUFFICIENT_STORAGE, error.strerror)
                return
            self._head(HTTPStatus.BAD_REQUEST if left else HTTPStatus.NO_CONTENT, 0, TYPES[".html"])

        def log_message(self, *what: object) -> None:
            """Nothing."""

        def _head(self, status: HTTPStatus, size: int, kind: str) -> None:
            self.send_response(status)
            for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(size)}.items():
                self.send_header(name, value)
            self.end_headers()

        def _path(self) -> str | None:
            """What is asked for; None for who does not know the secret."""
            path = unquote(self.path.partition("?")[0])
            return path.removeprefix(secret) if path.startswith(secret) and "\0" not in path else None

        def _file(self) -> Path | None:
            path = self._path()
            if path is None:
                return None
            if path in files:
                return files[path]
            for prefix, folder in folders.items():
                if path.startswith(prefix):
                    file = (folder / path.removeprefix(prefix)).resolve()
                    return file if file.is_file() and file.is_relative_to(folder.resolve()) else None
            return None

    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(POLL_S,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}{secret}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

"""One Chromium process with one page, driven over a pipe by the Chrome DevTools Protocol.

Source: https://chromedevtools.github.io/devtools-protocol; messages are JSON, each ended by a zero byte.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgeship.toolchain.api import CrashError, DeviceError, MissingError

FLAGS = (
    *("--headless=new", "--remote-debugging-pipe", "--no-first-run", "--no-default-browser-check", "--mute-audio"),
    *("--disable-extensions", "--disable-component-update", "--disable-background-networking", "--disable-sync"),
    # a page that nobody sees is not slowed down
    *("--disable-background-timer-throttling", "--disable-renderer-backgrounding", "--disable-dev-shm-usage"),
)
START_S = 60.0
END_S = 5.0


class Page:
    """A browser's page; what it is asked is answered by `deadline` (time.monotonic), or TimeoutError."""

    def __init__(self, executable: str, log: Path, process: subprocess.Popen[bytes], writes: int, reads: int) -> None:
        self._executable, self._log, self._process = executable, log, process
        self._writes, self._reads = writes, reads
        self._asked, self._unread, self._session = 0, b"", ""

    def attach(self) -> str:
        """Open an empty page; the browser's name and version."""
        deadline = time.monotonic() + START_S
        told = self._call("Browser.getVersion", {}, deadline)
        page = self._call("Target.createTarget", {"url": "about:blank"}, deadline)["targetId"]
        attached = self._call("Target.attachToTarget", {"targetId": page, "flatten": True}, deadline)
        self._session = attached["sessionId"]
        self._call("Inspector.enable", {}, deadline)  # tells of a crash
        product: str = told["product"]
        return product.removeprefix("Headless").replace("/", " ")

    def show(self, address: str, deadline: float) -> None:
        """Open an address, to its end; DeviceError where it cannot be had."""
        self._call("Page.enable", {}, deadline)
        shown = self._call("Page.navigate", {"url": address}, deadline)
        if error := shown.get("errorText"):
            raise DeviceError(f"{self._executable} cannot open its page: {error}", "may it reach 127.0.0.1?")
        while self._next(deadline).get("method") != "Page.loadEventFired":
            pass

    def evaluate(self, script: str, deadline: float) -> Any:
        """What a script answers, awaited; CrashError where the page dies of it, DeviceError for what it throws."""
        asked = {"expression": script, "awaitPromise": True, "returnByValue": True}
        answer = self._call("Runtime.evaluate", asked, deadline)
        if thrown := answer.get("exceptionDetails"):
            said = thrown.get("exception", {}).get("description") or thrown.get("text", "")
            raise DeviceError(
                f"the page failed: {said.splitlines()[0] if said else 'no word'}", "is the browser recent?"
            )
        return answer["result"].get("value")

    def _call(self, method: str, parameters: dict[str, Any], deadline: float) -> dict[str, Any]:
        self._asked += 1
        message = {"id": self._asked, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        with contextlib.suppress(BrokenPipeError):  # its end is told by what is read
            os.write(self._writes, json.dumps(message).encode() + b"\0")
        while (answer := self._next(deadline)).get("id") != self._asked:
            pass
        if error := answer.get("error"):
            raise DeviceError(f"{self._executable}: {method}: {error.get('message')}", "use a recent Chromium")
        result: dict[str, Any] = answer["result"]
        return result

    def _next(self, deadline: float) -> dict[str, Any]:
        """The next message; CrashError where it says that the page is gone."""
        while b"\0" not in self._unread:
            if not select.select([self._reads], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError
            part = os.read(self._reads, 1 << 20)
            if not part:
                raise DeviceError(f"{self._executable} ended{self._last_words()}", "start it by hand, --headless")
            self._unread += part
        text, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        if message.get("method") == "Inspector.targetCrashed":
            raise CrashError("the page died", "probably out of memory")
        return message

    def _last_words(self) -> str:
        """Of a browser that ended, or closed its pipe."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=END_S)
        code = self._process.returncode
        said = [line for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
        return ("" if code is None else f" with code {code}") + (f": {said[-1]}" if said else "")


@contextlib.contextmanager
def opened(executable: str) -> Iterator[tuple[Page, str]]:
    """A fresh browser with a profile of its own, and its name and version; all its processes end with the block.

    MissingError where there is none, DeviceError where it does not start.
    """
    path = shutil.which(executable)
    if path is None:
        raise MissingError(f"there is no {executable}", "apt install chromium, or let `executable` name a Chromium")
    if shutil.which("bash") is None:
        raise MissingError("there is no bash, which starts browsers", "apt install bash")
    with (
        tempfile.TemporaryDirectory(prefix="edgeship-browser-", ignore_cleanup_errors=True) as profile,
        contextlib.ExitStack() as ends,
    ):
        ours, theirs = _pipes()
        for end in ours:
            ends.callback(os.close, end)
        # it reads requests from 3 and answers on 4
        start = f'exec "$@" 3<&{theirs[0]} 4>&{theirs[1]} {theirs[0]}<&- {theirs[1]}>&-'
        command = [path, *FLAGS, f"--user-data-dir={profile}/profile"]
        if os.geteuid() == 0:
            command.insert(1, "--no-sandbox")  # it refuses root otherwise
        log = Path(profile) / "edgeship.log"
        with log.open("wb") as stream:
            try:
                process = subprocess.Popen(
                    ["bash", "-c", start, "bash", *command],
                    env={**os.environ, "TMPDIR": profile},  # what it leaves there goes with the profile
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=stream,
                    pass_fds=theirs,
                    start_new_session=True,
                )
            finally:
                for end in theirs:
                    os.close(end)
        try:
            page = Page(executable, log, process, *ours)
            try:
                version = page.attach()
            except TimeoutError as error:
                raise DeviceError(f"{executable} did not start within {START_S:g} s", "start it by hand") from error
            yield page, version
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _pipes() -> tuple[tuple[int, int], tuple[int, int]]:
    """(our write end, our read end), (its read end, its write end); its ends above 9, clear of 3 and 4."""
    their_reads, our_writes = os.pipe()
    our_reads, their_writes = os.pipe()
    theirs = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (their_reads, their_writes))
    os.close(their_reads)
    os.close(their_writes)
    return (our_writes, our_reads), (theirs[0], theirs[1])

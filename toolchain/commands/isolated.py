"""Looks into files that may be damaged or hostile: a child process parses them, so that only it can crash or hang."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from edgeship.toolchain import errors
from edgeship.toolchain.errors import EdgeshipError

SECONDS = 120
"""For one file, the import of its parser included."""
MEMORY_BYTES = 8 << 30
"""Of writable memory, for a small file."""
REMEDY = "copy or make the file again"


class Reader:
    """A child process that calls a target's `inspect_file` on one file after another; close it (or use `with`).

    It is started by the first file and again after its death. It ends with its owner, whatever becomes of that: at
    the end of its input, or when the time of a file is over.
    """

    def __init__(self, seconds: int = SECONDS) -> None:
        self._seconds = seconds
        self._process: subprocess.Popen[str] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def inspect_file(self, module: str, path: Path) -> dict[str, Any]:
        """What `module`.inspect_file says of a file; EdgeshipError when its parser fails, dies, hangs or swells."""
        used = self._process is not None
        answer = self._ask(module, path)
        if isinstance(answer, int) and used:
            answer = self._ask(module, path)  # what it read before may have hurt it: the verdict of a fresh one counts
        if isinstance(answer, int):
            raise EdgeshipError(f"{path}: {self._how_it_ended(answer)}: {damaged(path)}", REMEDY)
        if "error" in answer:
            raise getattr(errors, answer["error"])(answer["message"], answer["hint"])
        found: dict[str, Any] = answer["found"]
        return found

    @property
    def folder(self) -> Path | None:
        """Where the parsers' temporary files are while a child is there."""
        return Path(self._folder.name) if self._folder is not None else None

    def close(self) -> None:
        """End the child and remove what it left."""
        process, self._process = self._process, None
        folder, self._folder = self._folder, None
        if process is not None:
            process.kill()
            process.communicate()
        if folder is not None:
            folder.cleanup()

    def _ask(self, module: str, path: Path) -> dict[str, Any] | int:
        """The child's answer, or the exit code of a child that ended without one."""
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps([module, str(path)]) + "\n")
                process.stdin.flush()
            line = process.stdout.readline()
            if line.endswith("\n"):
                answer: dict[str, Any] = json.loads(line)
                return answer
            return process.wait()
        except BaseException:
            self.close()
            raise
        finally:
            if process.returncode is not None:
                self.close()

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            # parsers' temporary files go there, too: a dead one removes none
            self._folder = tempfile.TemporaryDirectory(prefix="edgeship-", ignore_cleanup_errors=True)
            # one thread and few arenas, or a machine of many cores would reach the limit without a file
            limits = {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2", "TMPDIR": self._folder.name}
            self._process = subprocess.Popen(
                # -I: neither the user's folder nor PYTHONPATH may shadow a parser's modules
                [sys.executable, "-I", "-m", __name__, str(self._seconds)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env={**os.environ, **limits},
            )
        return self._process

    def _how_it_ended(self, code: int) -> str:
        if code == -signal.SIGALRM:
            return f"its parser did not finish within {self._seconds} s"
        if code < 0:
            return f"its parser died by {signal.Signals(-code).name}"
        return f"its parser ended with code {code}"


def damaged(path: Path) -> str:
    """What is probably wrong with a file that its parser did not survive."""
    return f"the file is damaged or not a {path.suffix}"


def main() -> None:
    """The child: until its input ends, a line [module, path] in, a line {found} or {error, message, hint} out."""
    import resource

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the owner's business
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    for line in sys.stdin:
        signal.alarm(int(sys.argv[1]))  # kills, whatever native code is running
        module, name = json.loads(line)
        path = Path(name)
        limit = memory_limit(sum(file.stat().st_size for file in [path, *path.rglob("*")]))
        resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.RLIM_INFINITY))
        answer = json.dumps(_answer(module, path, limit))
        signal.alarm(0)
        print(answer, file=answers, flush=True)


def memory_limit(size_bytes: int) -> int:
    """Bytes that the parser of a file may take: more for large files, never more than half of the machine's."""
    import psutil

    return min(MEMORY_BYTES + 8 * size_bytes, int(psutil.virtual_memory().total) // 2)


def _answer(module: str, path: Path, limit: int) -> dict[str, Any]:
    try:
        return {"found": _printable(import_module(module).inspect_file(path))}
    except EdgeshipError as error:
        return {"error": type(error).__name__, "message": _line(str(error)), "hint": _line(error.hint)}
    except MemoryError:
        message = f"{path}: its parser asks for more than {limit / 1e9:.0f} GB of memory: {damaged(path)}"
    except Exception as error:  # parsers trust their input: whatever they raise means a broken file
        message = f"{path}: {damaged(path)} ({type(error).__name__}: {_line(str(error))})"
    return {"error": EdgeshipError.__name__, "message": message, "hint": REMEDY}


def _line(text: str) -> str:
    """The text on one line, shortened."""
    plain: str = _printable(" ".join(text.split()))
    return plain if len(plain) <= 400 else plain[:399] + "…"


def _printable(value: Any) -> Any:
    """Names in a hostile file may hold what steers a terminal, or no text at all: � stands for it."""
    if isinstance(value, str):
        return "".join(letter if letter.isprintable() else "\ufffd" for letter in value)
    if isinstance(value, dict):
        return {_printable(key): _printable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(item) for item in value]
    return value


if __name__ == "__main__":
    main()

"""This host as a device whose Python agents are forked off this process: what they import is imported already."""

from __future__ import annotations

import os
import runpy
import signal
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeship.toolchain.devices.local import LocalLink


class Forked(LocalLink):
    """Agents that are no Python programs are started as usual."""

    def run(self, command: Any, log: Path, seconds: float, environment: Mapping[str, str]) -> int:
        """As a process of its own."""
        words = [str(word) for word in command]
        if Path(words[0]).name != Path(sys.executable).name:
            return super().run(command, log, seconds, environment)
        child = os.fork()
        if child == 0:
            _become(words[1:], self.root, log, seconds, environment)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _become(words: list[str], root: str, log: Path, seconds: float, environment: Mapping[str, str]) -> None:
    code = 1
    try:
        signal.alarm(int(seconds) + 1)
        stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(stream, 1)
        os.dup2(stream, 2)
        os.chdir(root)
        os.environ.update(environment)
        words = [word for word in words if word not in ("-I", "-B", "-E", "-s", "-P")]
        if words[0] == "-m":
            sys.argv = words[1:]
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = words
            runpy.run_path(words[0], run_name="__main__")
        code = 0
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else int(bool(exit_.code))
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)

"""Whether this machine can build the native ExecuTorch runner."""

from __future__ import annotations

import shutil
import subprocess

import pytest


def _missing() -> str:
    compiler = shutil.which("g++")
    if compiler is None:
        return "no g++"
    command = [compiler, "-x", "c++", "-M", "-include", "nlohmann/json.hpp", "/dev/null"]
    return "" if subprocess.run(command, capture_output=True, check=False).returncode == 0 else "no nlohmann/json.hpp"


_reason = _missing()
needs_native = pytest.mark.skipif(bool(_reason), reason=f"{_reason}: the native runner cannot be built")

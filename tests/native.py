"""Whether this machine can build the native ExecuTorch runner."""

from __future__ import annotations

import shutil

import pytest

needs_native = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++: the native runner cannot be built")

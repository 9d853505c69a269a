"""ONNX Runtime, as edgeship knows it."""

from __future__ import annotations

import os
from typing import Any

from edgeship.toolchain.api import RuntimeInfo

RUNTIME = RuntimeInfo(
    name="onnxruntime",
    title="ONNX Runtime",
    package="onnxruntime",
    distribution="onnxruntime",
    extra="onnx",
    # since 1.32 it keeps a device's id and a file of events in ~/.cache/Microsoft, and sends them
    environment={"ORT_DISABLE_TELEMETRY": "1"},
    # products are exact with VNNI; ONNX Runtime 1.32 makes weights unsigned there, too, for which it has slower kernels
    needless_entries={"session.x64quantprecision": frozenset({"avx512_vnni", "avx_vnni"})},
    suffixes={".onnx": "onnx"},
    inspect="edgeship.targets.onnx.inspect",
    reduce="edgeship.targets.onnx.required",
    inspect_distribution="onnx",
    agents=(
        "edgeship.toolchain.devices.agents.python:PYTHON",
        "edgeship.toolchain.devices.agents.python:PROFILER",
        "edgeship.toolchain.devices.agents.carried:OF_ONNXRUNTIME",
    ),
)


def onnxruntime() -> Any:
    """The package, imported into this process with its environment. ImportError where it is not installed."""
    os.environ.update(RUNTIME.environment)
    import onnxruntime

    return onnxruntime

"""ONNX Runtime, as edgeship knows it."""

from __future__ import annotations

from edgeship.toolchain.api import RuntimeInfo

RUNTIME = RuntimeInfo(
    name="onnxruntime",
    title="ONNX Runtime",
    package="onnxruntime",
    distribution="onnxruntime",
    extra="onnx",
    suffixes={".onnx": "onnx"},
    inspect="edgeship.targets.onnx.inspect",
    inspect_distribution="onnx",
    agents=(
        "edgeship.toolchain.devices.agents.python:PYTHON",
        "edgeship.toolchain.devices.agents.carried:OF_ONNXRUNTIME",
    ),
)

"""ONNX Runtime, as edgeship knows it."""

from __future__ import annotations

from edgeship.toolchain.api import RuntimeInfo

EXACT_PRODUCTS = {"session.x64quantprecision": "1"}
"""The entry of a session's configuration with which int8 products are exact on every processor.

By default the kernels for x86 without VNNI (before 2019, AMD's before Zen 4) add pairs of products in 16 bits, which
saturate: 34 dB became 11 in a recurrent network. ARM, and x86 with VNNI, are exact either way and take no notice of it.
"""

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

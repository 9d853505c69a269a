"""LiteRT, as edgeship knows it."""

from __future__ import annotations

from edgeship.toolchain.api import RuntimeInfo

RUNTIME = RuntimeInfo(
    name="litert",
    title="LiteRT",
    package="ai_edge_litert",
    distribution="ai-edge-litert",
    extra="litert",
    suffixes={".tflite": "litert"},
    inspect="edgeship.targets.litert.inspect",
    tells_kinds=True,
    reduce="edgeship.targets.litert.required",
    agents=(
        "edgeship.toolchain.devices.agents.python:PYTHON",
        "edgeship.toolchain.devices.agents.carried:OF_LITERT",
    ),
)

"""Core AI, as edgeship knows it."""

from __future__ import annotations

from edgeship.toolchain.api import RuntimeInfo

RUNTIME = RuntimeInfo(
    name="coreai",
    title="Core AI",
    package="coreai",
    distribution="coreai-core",
    extra="coreai",
    suffixes={".aimodel": "coreai"},
    folders=True,
    inspect="edgeship.targets.coreai.inspect",
    agents=("edgeship.toolchain.devices.agents.python:PYTHON",),
    native_on=frozenset({"macos", "ios", "ipados"}),
    slow_interpreter=True,
)

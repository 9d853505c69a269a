"""ExecuTorch, as edgeship knows it."""

from __future__ import annotations

from edgeship.toolchain.api import RuntimeInfo

RUNTIME = RuntimeInfo(
    name="executorch",
    title="ExecuTorch",
    package="executorch",
    distribution="executorch",
    extra="executorch",
    suffixes={".pte": "executorch"},
    inspect="edgeship.targets.executorch.inspect",
    tells_kinds=True,
    reduce="edgeship.targets.executorch.required",
    # the Python agent imports torch: only where the native one cannot be built
    agents=(
        "edgeship.toolchain.devices.agents.native:NATIVE",
        "edgeship.toolchain.devices.agents.carried:OF_EXECUTORCH",
        "edgeship.toolchain.devices.agents.python:PYTHON",
        "edgeship.toolchain.devices.agents.python:PROFILER",
    ),
    backends=frozenset({"xnnpack", "portable", "cpu"}),
    emulates_half=True,
)

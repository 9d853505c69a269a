"""torch as a runtime: TorchScript, its lite interpreter and exported programs."""

from __future__ import annotations

from edgeship.toolchain.api import RuntimeInfo

RUNTIME = RuntimeInfo(
    name="torch",
    title="PyTorch",
    package="torch",
    distribution="torch",
    suffixes={".pt": "torchscript", ".ptl": "torchscript_lite", ".pt2": "torch"},
    inspect="edgeship.targets.torchscript.inspect",
    agents=("edgeship.toolchain.devices.agents.python:PYTHON",),
)

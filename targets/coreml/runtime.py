"""Core ML, as edgeship knows it, and the evaluator that takes its place where it is not."""

from __future__ import annotations

from pathlib import Path

from edgeship.toolchain.api import Agent, RuntimeInfo

EVALUATE = "edgeship.targets.coreml.evaluate"
EVALUATOR = Agent(
    name="coreml-evaluator",
    runtimes={"coreml": "coreml"},
    modes=frozenset({"verify"}),
    files_for=lambda arch: {},  # it lives where edgeship is installed
    command=lambda place, python: [python, "-I", "-m", EVALUATE],
    sources=lambda: tuple(sorted(Path(__file__).parent.rglob("*.py"))),
)
RUNTIME = RuntimeInfo(
    name="coreml",
    title="Core ML",
    package="coremltools",
    distribution="coremltools",
    extra="coreml",
    suffixes={".mlpackage": "coreml"},
    folders=True,
    inspect="edgeship.targets.coreml.inspect",
    agents=("edgeship.toolchain.devices.agents.python:PYTHON",),
    native_on=frozenset({"macos", "ios", "ipados"}),
    interpreter="edgeship.targets.coreml.runtime:EVALUATOR",
)

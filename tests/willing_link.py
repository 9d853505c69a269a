"""A link of this host's facts that executes everything: tests say only what a job is answered."""

from __future__ import annotations

from typing import Any

from edgeship.toolchain.artifact import Artifact
from edgeship.toolchain.devices.agents.python import facts
from edgeship.toolchain.link import Link
from edgeship.toolchain.protocol.messages import Agent, Job, Mode, Result, ResultArtifact, ResultRuntime
from edgeship.toolchain.protocol.run import Run


class Willing(Link):
    """Subclasses have `execute`."""

    def facts(self) -> dict[str, Any]:
        return facts()

    def conditions(self, artifact: Artifact) -> dict[str, Any]:
        return {}

    def can_execute(self, artifact: Artifact, mode: Mode = "verify") -> str | None:
        return None


def result_of(job: Job, run: Run) -> Result:
    """What an agent would answer with this run."""
    return Result(
        agent=Agent(kind="python", version="0"),
        device=facts(),  # type: ignore[arg-type]
        artifact=ResultArtifact(format="onnx", sha256="0" * 64, size=1),
        runtime=ResultRuntime(name="onnxruntime", version="0", backend="cpu"),
        config=job.config,
        runs=[run],
    )

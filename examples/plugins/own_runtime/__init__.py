"""A target with a runtime of its own: what edgeship must know of it, and the agent that drives it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from edgeship.toolchain.api import (
    Artifact,
    Context,
    Runtime,
    RuntimeInfo,
    Target,
    digest,
    python_agent,
    size_bytes,
)

if TYPE_CHECKING:
    from torch.export import ExportedProgram

AGENT = python_agent("eager-agent", frozenset({"eager"}), Path(__file__).with_name("agent.py"), frozenset({"verify"}))
RUNTIME = RuntimeInfo(
    name="eager",
    title="Eager",
    package="torch",
    distribution="torch",
    suffixes={".eager": "eager"},
    agents=("own_runtime:AGENT",),
)


class Eager(Target):
    """An exported program that an agent outside edgeship executes."""

    runtime: ClassVar[RuntimeInfo | None] = RUNTIME
    format: ClassVar[str] = "eager"

    def schemes(self) -> frozenset[str]:
        return frozenset({"float32"})

    def export(self, program: ExportedProgram, out: Path, context: Context) -> Artifact:
        import torch

        file = out / "model.eager"
        with file.open("wb") as stream:
            torch.export.save(program, stream)
        return Artifact(
            format=self.format, file=file.name, spec=str(context.spec),
            runtime=Runtime(name=RUNTIME.name, minimum_version=torch.__version__),
            inputs=context.signature.inputs, outputs=context.signature.outputs,
            size_bytes=size_bytes(file), sha256=digest(file), dtypes={"float32": len(program.graph.nodes)},
        )  # fmt: skip

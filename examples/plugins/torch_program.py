"""A target: the stored program itself, run by torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgeship.toolchain.api import Artifact, Context, Runtime, Target, digest, size_bytes

if TYPE_CHECKING:
    from torch.export import ExportedProgram


class TorchProgram(Target):
    """A .pt2 for servers and desktops."""

    format = "torch"

    def schemes(self) -> frozenset[str]:
        return frozenset({"float32"})

    def export(self, program: ExportedProgram, out: Path, context: Context) -> Artifact:
        import torch

        file = out / "model.pt2"
        torch.export.save(program, file)
        return Artifact(
            format=self.format, file=file.name, spec=str(context.spec),
            runtime=Runtime(name="torch", minimum_version=torch.__version__),
            inputs=context.signature.inputs, outputs=context.signature.outputs,
            size_bytes=size_bytes(file), sha256=digest(file), dtypes={"float32": len(program.graph.nodes)},
        )  # fmt: skip

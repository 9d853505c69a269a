"""The ExecuTorch target: one stored program → one .pte for XNNPACK, or for a chain of backends."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from edgeship.targets.executorch.backends import AnyBackend, Portable, Xnnpack
from edgeship.targets.executorch.biases import with_own_biases
from edgeship.targets.executorch.half import in_half_arithmetic
from edgeship.targets.executorch.planes import with_planes
from edgeship.targets.executorch.pte import read
from edgeship.targets.executorch.runtime import RUNTIME
from edgeship.targets.executorch.volumes import flat_volumes
from edgeship.toolchain.api import (
    FLOAT16,
    Artifact,
    Backend,
    Context,
    ExportError,
    Placement,
    QuantSpec,
    Runtime,
    RuntimeInfo,
    Target,
    by_dtype,
    conversion_error,
    digest,
    first_line,
    folded,
    in_float,
    missing_extra,
    rewritten,
    size_bytes,
    unrolled,
)

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.fx import GraphModule

FILE = "model.pte"
HALF_ARITHMETIC = "computes in float16: for ARMv8.2 and later; other processors emulate it, far slower than float32"
FLOAT_ARITHMETIC = "float16 arithmetic breaks this model's numbers: weights are stored as float16, all else is float32"
PORTABLE = "portable kernels are reference code, about 250 times slower than XNNPACK: for tests, not for a phone"


class ExecuTorch(Target):
    """PyTorch's runtime for phones and boards: CPU by XNNPACK, or a chain of backends."""

    packages: ClassVar[tuple[str, ...]] = ("executorch", "torch", "torchao")
    extra: ClassVar[str] = "executorch"
    runtime: ClassVar[RuntimeInfo | None] = RUNTIME
    format: ClassVar[str] = "executorch"
    row_scales: ClassVar[bool] = True

    backends: tuple[AnyBackend, ...] = Field(
        (Xnnpack(),),
        min_length=1,
        description="who executes it, in the order in which they are offered the nodes: names, or tables of a name and "
        'options: ["vulkan", "xnnpack"], [{ name = "vulkan", force_fp16 = true }]; portable is for tests only',
    )

    def schemes(self) -> frozenset[str]:
        """What all of its backends carry: any of them may meet any node."""
        return frozenset.intersection(*(backend.schemes for backend in self.backends))

    def unsupported(self, spec: QuantSpec, dynamic: bool) -> str | None:
        """Weights-only specs have no kernel in XNNPACK, and half precision is for whole programs."""
        if spec.has("weights"):
            return f"XNNPACK has no kernel for {spec} (float activations, integer weights): use quantize-dynamic"
        if FLOAT16 in spec.each and spec.parts:
            return f"a .pte computes in float16 or in float32, not in both as {spec} does"
        return super().unsupported(spec, dynamic)

    def warm_up(self) -> None:
        """The lowering of executorch and its XNNPACK backend."""
        import executorch.backends.xnnpack.partition.xnnpack_partitioner
        import executorch.exir  # noqa: F401

    def export(self, program: ExportedProgram, out: Path, context: Context) -> Artifact:
        """Write model.pte; the file carries no names, they stay in the artifact. Raises ExportError."""
        try:
            import executorch.version
            from executorch.exir import ExecutorchBackendConfig
        except ImportError:
            raise missing_extra(self.extra, "executorch") from None
        notes = []
        if not context.spec.is_float:
            program = folded(program, context.signature, context.example)
        program = rewritten(program, context.signature, context.example, flat_volumes() | unrolled())
        if not context.spec.is_float:
            program = with_own_biases(program, context)
        elif context.spec == FLOAT16:
            half = in_half_arithmetic(program, context)
            program = half or program
            notes.append(HALF_ARITHMETIC if half else FLOAT_ARITHMETIC)
            if half is None:
                context.warn(FLOAT_ARITHMETIC)
        manager = self._lower(with_planes(program, context), context)
        placement = self._placement(manager.exported_program().graph_module)
        file = out / FILE
        try:
            with file.open("wb") as stream:  # piece by piece: as one block it would be there twice
                alignment = max(backend.alignment for backend in self.backends)
                lowered = manager.to_executorch(ExecutorchBackendConfig(segment_alignment=alignment))
                lowered.write_to_file(stream)
        except Exception as error:
            raise ExportError(f"ExecuTorch cannot write the lowered program: {first_line(error)}", SEE_LOG) from error
        if all(isinstance(backend, Portable) for backend in self.backends):
            context.warn(PORTABLE)
            notes.append(PORTABLE)
        pte = read(file)
        return Artifact(
            format=self.format,
            file=FILE,
            spec=str(context.spec),
            runtime=Runtime(
                name="executorch",
                minimum_version=executorch.version.__version__,
                backends=tuple(
                    Backend(name=backend.name, options=backend.model_dump(exclude={"name"}))
                    for backend in self.backends
                ),
            ),
            inputs=context.signature.inputs,
            outputs=context.signature.outputs,
            size_bytes=size_bytes(file),
            sha256=digest(file),
            dtypes=None if pte.unread else by_dtype(pte.computing),
            float_operators=None if pte.unread else in_float(pte.computing),
            weight_bytes=None if pte.unread else pte.weight_bytes,
            placement=placement,
            notes=tuple(notes),
            details={
                "executorch": executorch.version.__version__,
                "planned_bytes": pte.planned_bytes,
                "xnnpack_nodes": dict(pte.xnnpack.most_common()),
            },
        )

    def _lower(self, program: ExportedProgram, context: Context) -> Any:
        from edgeship.targets.executorch.upstream import lower

        def convert(program: ExportedProgram) -> Any:
            partitioners = [part for backend in self.backends for part in backend.partitioners(context.spec)]
            return lower(program, partitioners)

        try:
            return convert(program)
        except Exception as error:
            raise conversion_error("ExecuTorch", error, program, context, convert) from error

    def _placement(self, module: GraphModule) -> Placement:
        """Nodes inside and outside of delegates, the branches of control flow included."""
        from torch.fx import GraphModule

        inside, outside, partitions = Counter[str](), Counter[str](), 0
        for part in module.modules():
            lowered = getattr(part, "original_module", None)
            if lowered is not None:
                partitions += 1
                inside[str(part.backend_id)] += sum(node.op == "call_function" for node in lowered.graph.nodes)
            elif isinstance(part, GraphModule):
                calls = (
                    getattr(node.target, "__name__", str(node.target))
                    for node in part.graph.nodes
                    if node.op == "call_function"
                )
                outside.update(call for call in calls if "call_delegate" not in call and "getitem" not in call)
        return Placement(
            per_backend={backend.name: inside[backend.delegate] for backend in self.backends if backend.delegate},
            left=outside.total(),
            left_ops=dict(outside.most_common()),
            partitions=partitions,
        )


SEE_LOG = 'see the log for ExecuTorch\'s full report; `backends = ["portable"]` tells whether a backend is at fault'

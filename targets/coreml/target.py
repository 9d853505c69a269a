"""The Core ML target: the folded program through coremltools into an .mlpackage that holds nothing of this machine."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from edgeship.targets.coreml.inspect import compute_dtypes, weight_bytes
from edgeship.targets.coreml.moves import join_moves
from edgeship.targets.coreml.package import clean
from edgeship.targets.coreml.pooling import decompositions
from edgeship.targets.coreml.precision import leaving_half
from edgeship.targets.coreml.runtime import RUNTIME
from edgeship.targets.coreml.upstream import (
    coremltools,
    forget_symbols,
    lossy_operators,
    missing_operators,
    read_program,
    read_spec,
    take_int4_groups,
    widen_bytes,
)
from edgeship.toolchain.api import (
    FLOAT16,
    Artifact,
    Backend,
    Context,
    QuantSpec,
    Runtime,
    RuntimeInfo,
    Target,
    Tensor,
    conversion_error,
    digest,
    explicit_averages,
    float_scalars,
    folded,
    rewritten,
    size_bytes,
)

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.fx import GraphModule

STORED = {"int64": "int32", "int16": "int32", "int8": "int32", "uint8": "int32", "bool": "int32", "float64": "float32"}
"""Core ML's inputs and outputs are float16, float32 and int32."""


ROUNDS = 3
"""What a wide operator hands on may be too wide for the next one, which only the next file shows."""


class CoreML(Target):
    """An ML program for iOS 17 and later; computes in float16 unless told otherwise, as the Neural Engine does."""

    runtime: ClassVar[RuntimeInfo | None] = RUNTIME
    version: ClassVar[int] = 2
    format: ClassVar[str] = "coreml"
    extra: ClassVar[str] = "coreml"
    packages: ClassVar[tuple[str, ...]] = ("coremltools",)

    precision: Literal["float16", "float32"] = Field(
        "float16", description="what float operators compute in; float32 never runs on the Neural Engine"
    )
    minimum_deployment_target: Literal["iOS17", "iOS18", "iOS26"] = Field(
        "iOS17", description="the oldest iOS that must load the file; int4 weights need iOS18"
    )

    def schemes(self) -> frozenset[str]:
        """What it carries."""
        return frozenset({"float32", "float16", "w8a8-static", "w8-weights", "w4-weights"})

    def unsupported(self, spec: QuantSpec, dynamic: bool) -> str | None:
        """Adds what only Core ML knows to the reasons of every target."""
        if spec.has("dynamic"):
            return "Core ML has no dynamic activations: use quantize-static, or quantize-weights for the size alone"
        if any(part.scheme == "w4-weights" for part in spec.each) and self.minimum_deployment_target == "iOS17":
            return 'int4 weights in groups need minimum_deployment_target = "iOS18"'
        if FLOAT16 in spec.each and self.precision == "float32":
            return 'float16 weights would be stored as float32 under precision = "float32"'
        return super().unsupported(spec, dynamic)

    def warm_up(self) -> None:
        """coremltools."""
        coremltools()

    def export(self, program: ExportedProgram, out: Path, context: Context) -> Artifact:
        """Convert and clean the package; ExportError names what coremltools cannot take."""
        package = out / "model.mlpackage"
        if not context.spec.is_float:
            program = folded(program, context.signature, context.example, _joined)
        program = rewritten(program, context.signature, context.example, explicit_averages())
        wide = _convert(program, context, self.precision, self.minimum_deployment_target, package)
        clean(package)
        spec, contents = read_spec(package).description, read_program(package)
        notes = []
        names = [feature.name for feature in (*spec.input, *spec.output)]
        wanted = [tensor.name for tensor in (*context.signature.inputs, *context.signature.outputs)]
        if names != wanted:
            notes.append(f"names in the file, in order: {', '.join(names)}")
        if self.precision == "float16":
            notes.append("computes in float16: activations beyond 65504 overflow")
        if wide:
            shown = ", ".join(wide[:8]) + (f" and {len(wide) - 8} more" if len(wide) > 8 else "")
            notes.append(f"computes in float32 what leaves float16's range: {shown}")
        return Artifact(
            format=self.format,
            file=package.name,
            spec=str(context.spec),
            runtime=Runtime(
                name="coreml", minimum_version=self.minimum_deployment_target, backends=(Backend(name="all"),)
            ),
            inputs=tuple(_stored(tensor) for tensor in context.signature.inputs),
            outputs=tuple(_stored(tensor) for tensor in context.signature.outputs),
            size_bytes=size_bytes(package),
            sha256=digest(package),
            dtypes=compute_dtypes(contents),
            weight_bytes=weight_bytes(contents),
            notes=tuple(notes),
        )


def _joined(module: GraphModule) -> None:
    float_scalars(module)
    join_moves(module)


def _stored(tensor: Tensor) -> Tensor:
    return tensor.model_copy(update={"dtype": STORED.get(tensor.dtype, tensor.dtype), "quantization": None})


def _convert(program: ExportedProgram, context: Context, precision: str, oldest: str, package: Path) -> list[str]:
    """Write the package; answers which operators stay float32 in one that computes in float16."""
    import numpy as np
    import torch

    ct, signature = coremltools(), context.signature
    take_int4_groups()
    forget_symbols()
    dims = {
        name: ct.RangeDim(lower_bound=low, upper_bound=high, default=low, symbol=name)
        for name, (low, high) in signature.dims.items()
    }
    inputs = [
        ct.TensorType(
            name=tensor.name,
            shape=tuple(dims.get(size, size) if isinstance(size, str) else size for size in tensor.shape),
            dtype=np.dtype(STORED.get(tensor.dtype, tensor.dtype)).type,
        )
        for tensor in signature.inputs
    ]
    outputs = [
        ct.TensorType(name=tensor.name, dtype=np.dtype(STORED.get(tensor.dtype, tensor.dtype)).type)
        for tensor in signature.outputs
    ]

    wide: list[str] = []

    def converted(decomposed: ExportedProgram, outputs: list[Any] | None) -> Any:
        def is_half(operator: Any) -> bool:
            # a compressed weight is as wide as what reads it
            readers = [reader for value in operator.outputs for reader in value.child_ops]
            compressed = operator.op_type.startswith("constexpr_")
            return all(one.name not in wide for one in (readers if compressed else [operator]))

        widen_bytes(decomposed)
        half = ct.transform.FP16ComputePrecision(op_selector=is_half)
        return ct.convert(
            decomposed,
            inputs=inputs,
            outputs=outputs,
            minimum_deployment_target=ct.target[oldest],
            compute_precision=half if precision == "float16" else ct.precision.FLOAT32,
            skip_model_load=True,
        )

    def convert(program: ExportedProgram, outputs: list[Any] | None = None) -> Any:
        needed = {**lossy_operators(program), **missing_operators(), **decompositions(program)}
        every: Any = torch.export.default_decompositions()
        every.update(needed)
        try:
            # linear, gelu, layer norm … stay whole: Core ML has operators for them
            return converted(program.run_decompositions(needed), outputs)
        except Exception:
            # some operators only exist decomposed (new_ones in Hugging Face encoders)
            return converted(program.run_decompositions(every), outputs)

    try:
        model = convert(program, outputs)
    except Exception as error:
        raise conversion_error("coremltools", error, program, context, convert) from error
    model.save(str(package))
    for _ in range(ROUNDS if precision == "float16" else 0):
        found = [name for name in leaving_half(read_program(package), context.example) if name not in wide]
        if not found:
            break
        wide += found
        shutil.rmtree(package)
        convert(program, outputs).save(str(package))
    return wide

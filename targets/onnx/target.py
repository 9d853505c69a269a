"""ONNX files for ONNX Runtime: Q/DQ graphs that its kernels compute in integers."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator

from edgeship.targets.onnx.runtime import RUNTIME, onnxruntime
from edgeship.toolchain.api import (
    Artifact,
    Context,
    EdgeshipError,
    Placement,
    QuantSpec,
    RecipeError,
    Runtime,
    RuntimeInfo,
    Target,
    by_dtype,
    digest,
    folded,
    in_float,
    load_callable,
    missing_extra,
    size_bytes,
)

if TYPE_CHECKING:
    import onnx_ir as ir
    from torch.export import ExportedProgram

# the first ONNX Runtime that executes digits in float, half precision and int8 (tried 2026-11-30): 1.20 does not load
# opset 22; 1.15 and 1.23 lack kernels for the conversions of opsets 19 and 23
RUNTIME_OF_OPSET = {18: "1.15", 19: "1.16", 20: "1.17", 21: "1.18", 22: "1.21", 23: "1.24"}
IR_OF_OPSET = {18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 10}
"""The version of the file format that came with it: a runtime of its time refuses a later one."""
# a protobuf ends at 2 GB; the graph needs room beside the weights
_EXTERNAL_ABOVE = 1_500_000_000
# multiplies by integer weights, and rounds the float activations to 8 bits in blocks
_ROUNDING_KERNEL = "com.microsoft.MatMulNBits"


class Onnx(Target):
    """An .onnx file with named inputs and dynamic dimensions, rewritten so that ONNX Runtime runs it fast."""

    runtime: ClassVar[RuntimeInfo | None] = RUNTIME
    format: ClassVar[str] = "onnx"
    extra: ClassVar[str] = "onnx"
    packages: ClassVar[tuple[str, ...]] = ("onnx", "onnxscript", "onnxruntime")

    opset: int = Field(
        23, description="ONNX operator set, 18 to 23; it decides the oldest ONNX Runtime that can load the file"
    )
    activations: Literal["uint8", "int8"] = Field(
        "uint8", description="how static int8 activations are stored: uint8 is fast on x86, int8 on ARM"
    )
    external_data: bool | None = Field(
        None, description="put weights into a second file beside the graph; default: when they pass 1.5 GB"
    )
    custom_ops: str | None = Field(
        None,
        description="./ops.py:table, a function that returns {torch operator: onnxscript function}; "
        "see torch.onnx.export's custom_translation_table",
    )
    custom_library: Path | None = Field(
        None, description="shared library with the kernels of custom operators; travels with the file"
    )

    @field_validator("opset")
    @classmethod
    def _known_opset(cls, opset: int) -> int:
        if opset not in RUNTIME_OF_OPSET:
            raise ValueError(
                f"opset {opset} is not made: torch writes operators of opset 18 to 23, and ONNX Runtime 1.32 has "
                "kernels for all of them"
            )
        return opset

    def schemes(self) -> frozenset[str]:
        """What it carries."""
        return frozenset({"float32", "float16", "w8a8-static", "w8a8-dynamic", "w8-weights", "w4-weights"})

    def unsupported(self, spec: QuantSpec, dynamic: bool) -> str | None:
        """Also: int4 needs opset 21, which brought the type and blocked scales."""
        if any(part.weight_bits == 4 for part in spec.each) and self.opset < 21:
            return f"ONNX stores {spec} from opset 21 on, this line asks for {self.opset}"
        if spec.has("weights") and spec.is_integer:
            return f"ONNX Runtime would not tell the integer arithmetic of {spec} from its integer weights"
        return super().unsupported(spec, dynamic)

    def warm_up(self) -> None:
        """The translations, and the runtime that looks at the file."""
        import onnxscript  # noqa: F401

        import edgeship.targets.onnx.export
        import edgeship.targets.onnx.rewrites  # noqa: F401

        onnxruntime()

    def export(self, program: ExportedProgram, out: Path, context: Context) -> Artifact:
        """Write model.onnx; ExportError when an operator has no translation."""
        try:
            version = onnxruntime().__version__
            import onnxscript  # noqa: F401
        except ImportError as error:
            raise missing_extra("onnx", str(error.name)) from error
        from edgeship.targets.onnx import inspect, metadata
        from edgeship.targets.onnx.compact import compact
        from edgeship.targets.onnx.export import to_onnx
        from edgeship.targets.onnx.rewrites import rewrite

        table = load_callable(self.custom_ops, Path.cwd())() if self.custom_ops else None
        integers = folded(program, context.signature, context.example)
        model = to_onnx(integers, context, self.opset, table)
        applied = rewrite(model, context.spec, self.activations)
        compact(model)
        model.ir_version = IR_OF_OPSET[self.opset]
        metadata.keep_origins(model, out)
        metadata.normalize(model)
        file = out / "model.onnx"
        extra = self._save(model, file)
        metadata.refuse_traces(file)
        library = self._ship_library(out)
        executed = inspect.optimized(file, library)
        computing = inspect.computing(model, executed)
        dtypes = by_dtype(computing)
        kernels = inspect.operators(executed)
        exact = inspect.exact_options(file, model, library) if dtypes.get("int8") else {}
        if context.spec.is_integer and not dtypes.get("int8"):
            raise EdgeshipError(
                f"ONNX Runtime computes nothing of this {context.spec} file in integers",
                "report the model: no rewrite in targets/onnx knows its operators",
            )
        return Artifact(
            format=self.format,
            file=file.name,
            extra_files=(*extra, *((library.name,) if library else ())),
            spec=str(context.spec),
            runtime=Runtime(
                name="onnxruntime",
                minimum_version=RUNTIME_OF_OPSET[self.opset],
                options=({"custom_op_libraries": [library.name]} if library else {}) | exact,
            ),
            inputs=context.signature.inputs,
            outputs=context.signature.outputs,
            size_bytes=size_bytes(file) + sum(size_bytes(out / name) for name in extra),
            sha256=digest(file),
            dtypes=dtypes,
            float_operators=in_float(computing),
            rounds_activations=_ROUNDING_KERNEL in kernels,
            weight_bytes=inspect.weight_bytes(model),
            placement=_placement(executed),
            notes=self._notes(context, kernels, bool(dtypes.get("int8")), bool(exact)),
            details={
                "opset": dict(model.opset_imports),
                "rewrites": applied,
                "onnxruntime": version,
                "kernels": kernels,
            },
        )

    def _save(self, model: ir.Model, file: Path) -> tuple[str, ...]:
        import onnx_ir as ir

        weights = sum(v.const_value.nbytes for v in model.graph.initializers.values() if v.const_value is not None)
        outside = weights > _EXTERNAL_ABOVE if self.external_data is None else self.external_data
        if not outside:
            ir.save(model, file)
            return ()
        data = f"{file.name}.data"
        ir.save(model, file, external_data=data, size_threshold_bytes=1024)
        return (data,)

    def _ship_library(self, out: Path) -> Path | None:
        if self.custom_library is None:
            return None
        if not self.custom_library.is_file():
            raise RecipeError(f"{self.custom_library}: no such custom operator library", "build it first")
        return Path(shutil.copy(self.custom_library, out))

    def _notes(self, context: Context, kernels: dict[str, int], integers: bool, exact: bool) -> tuple[str, ...]:
        notes = []
        if context.spec.has("static") and self.activations == "uint8":
            notes.append("activations are uint8, which x86 runs fastest; for ARM export with activations = 'int8'")
        if _ROUNDING_KERNEL in kernels:
            notes.append(
                "ONNX Runtime multiplies these weights by activations rounded to 8 bits in blocks; for float "
                "arithmetic set the session's session.qdq_matmulnbits_accuracy_level to 1"
            )
        if integers and exact:
            notes.append(
                "on x86 without VNNI set the session's session.x64quantprecision to 1, as here: by default its int8 "
                "products saturate there; with VNNI leave it out, for it only slows them down"
            )
        elif integers:
            notes.append("int8 products saturate on x86 without VNNI: ONNX Runtime cannot make shared weights unsigned")
        if self.custom_library is not None:
            notes.append(f"register {self.custom_library.name} with SessionOptions.register_custom_ops_library")
        return tuple(notes)


def _placement(executed: ir.Model) -> Placement:
    """ONNX Runtime's CPU provider takes every node, or the session does not start."""
    nodes: Any = list(executed.graph.all_nodes())
    return Placement(per_backend={"cpu": len(nodes)}, left=0, partitions=1)

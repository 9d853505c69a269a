"""LiteRT: one stored program becomes model.tflite."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from edgeship.targets.litert import inspect, rewrites, transposed, upstream, weights
from edgeship.targets.litert.inputs import grids, quantize_once
from edgeship.targets.litert.runtime import RUNTIME
from edgeship.toolchain.api import (
    FLOAT16,
    FLOAT32,
    Artifact,
    Context,
    EdgeshipError,
    ExportError,
    MissingError,
    QuantSpec,
    Runtime,
    RuntimeInfo,
    Target,
    Tensor,
    by_dtype,
    conversion_error,
    digest,
    first_line,
    in_float,
    missing_extra,
    rewritten,
    size_bytes,
    unrolled,
)

if TYPE_CHECKING:
    from torch.export import ExportedProgram

FILE = "model.tflite"


class LiteRT(Target):
    """A .tflite file for LiteRT (TensorFlow Lite) and its XNNPACK delegate."""

    version: ClassVar[int] = 3
    runtime: ClassVar[RuntimeInfo | None] = RUNTIME
    format: ClassVar[str] = "litert"
    extra: ClassVar[str] = "litert"
    packages: ClassVar[tuple[str, ...]] = ("litert-torch", "ai-edge-litert")
    row_scales: ClassVar[bool] = True

    io: Literal["float", "int8"] = Field(
        "float",
        description="what an int8 model takes and answers: float like every other target, or its own int8 "
        "(LiteRT.js refuses int8)",
    )

    def schemes(self) -> frozenset[str]:
        """What it carries."""
        return frozenset({"float32", "float16", "w8a8-static", "w8a8-dynamic", "w8-weights"})

    def unsupported(self, spec: QuantSpec, dynamic: bool) -> str | None:
        """Beside what is quantized in one way, the other parts must be float32."""
        if len([part for part in spec.each if part != FLOAT32]) > 1 or (FLOAT16 in spec.each and spec.parts):
            return f"a .tflite is made of one kind of numbers and float32, not of {spec}"
        return super().unsupported(spec, dynamic)

    def warm_up(self) -> None:
        """The converter, with the MLIR of its own."""
        import litert_torch  # noqa: F401

    def export(self, program: ExportedProgram, out: Path, context: Context) -> Artifact:
        """Write model.tflite; ExportError when the converter cannot take the program or loses its numbers.

        Where the file cannot keep the program's dynamic dimensions it is made for the example's sizes, and says so.
        """
        model, notes = self._model(rewritten(program, context.signature, context.example, unrolled()), context)
        file = out / FILE
        file.write_bytes(upstream.write_flatbuffer(model))
        computing = inspect.computing(model)
        dtypes = by_dtype(computing)
        if context.spec.is_integer and not dtypes.get("int8"):
            raise ExportError(
                f"the program is {context.spec}, but no operator of the .tflite file computes in int8",
                "check that the program was stored unfolded and that its operators were quantized",
            )
        inputs, outputs = inspect.tensors(model)
        try:
            placement = upstream.placement(file)
        except RuntimeError as error:
            raise ExportError(
                f"the runtime cannot load the file litert-torch made: {first_line(error)}",
                "this is the converter's fault: change the operator it names",
            ) from error
        return Artifact(
            format=self.format,
            file=FILE,
            spec=str(context.spec),
            runtime=Runtime(name="litert", minimum_version=inspect.minimum_version(model)),
            inputs=_with_dimension_names(inputs, context.signature.inputs),
            outputs=_with_dimension_names(outputs, context.signature.outputs),
            size_bytes=size_bytes(file),
            sha256=digest(file),
            dtypes=dtypes,
            float_operators=in_float(computing),
            weight_bytes=inspect.weight_bytes(model),
            placement=placement,
            notes=notes,
        )

    def _model(self, program: ExportedProgram, context: Context) -> tuple[Any, tuple[str, ...]]:
        """The model, and what must be said of it."""
        from edgeship.targets.litert.sizes import example_sizes, shapes

        signature = context.signature
        fixed: list[tuple[int, ...]] | None = None
        notes: tuple[str, ...] = ()
        if signature.is_dynamic:
            try:
                return self._dynamic(program, context), ()
            except MissingError:
                raise
            except Exception as error:  # the converter raises what it likes
                sizes = example_sizes(signature, context.example)
                fixed = shapes(signature, sizes)
                told = ", ".join(f"{name} = {size}" for name, size in sizes.items())
                notes = (f"made for one size ({told}): {first_line(error)}",)
        try:
            model = self._convert(program, context, fixed)
        except EdgeshipError:
            raise
        except Exception as error:
            raise conversion_error(
                "litert-torch", error, program, context, lambda cut: self._content(cut, context, fixed)
            ) from error
        for note in notes:
            context.warn(f"LiteRT: {note}")
        return model, notes

    def _dynamic(self, program: ExportedProgram, context: Context) -> Any:
        """One model for all sizes, seen to answer at another size what a file of that size does; FixedSizeError."""
        from edgeship.targets.litert import sizes

        signature = context.signature
        first, second = sizes.two_sizes(signature, context.example)
        model, other = (self._convert(program, context, sizes.shapes(signature, at)) for at in (first, second))
        sizes.open_sizes(model, other)
        sizes.set_default_sizes(model, sizes.shapes(signature, sizes.example_sizes(signature, context.example)))
        inputs = sizes.resized(signature, context.example, second)
        expected = upstream.answers(upstream.write_flatbuffer(other), inputs)
        try:
            answered = upstream.answers(upstream.write_flatbuffer(model), inputs)
        except (RuntimeError, ValueError) as error:
            raise sizes.FixedSizeError(f"the runtime cannot resize the file: {first_line(error)}") from error
        sizes.check_equal(expected, answered)
        return model

    def _content(self, program: ExportedProgram, context: Context, shapes: Sequence[tuple[int, ...]] | None) -> bytes:
        """What the converter makes of the program."""
        from edgeship.targets.litert.prepare import (
            broadcast_without_expanding,
            drop_dynamic_activations,
            private_copy,
            round_weights,
            widen_float16_constants,
        )

        program = private_copy(program, shapes)
        broadcast_without_expanding(program)
        if not context.spec.is_float:
            round_weights(program)
        if context.spec.has("static"):
            transposed.take_rounded_weights(program)
        if context.spec.kind == "dynamic":
            drop_dynamic_activations(program)
        if str(context.spec) == "float16":
            widen_float16_constants(program)
        names = [tensor.name for tensor in context.signature.inputs]
        try:
            loose = self.io == "int8" and context.spec.kind == "static" and FLOAT32 not in context.spec.each
            return upstream.convert(program, names, strict=not loose)
        except ImportError as error:
            raise missing_extra("litert", error.name or "litert-torch") from error

    def _convert(self, program: ExportedProgram, context: Context, shapes: Sequence[tuple[int, ...]] | None) -> Any:
        """The program, its dynamic sizes fixed to `shapes` of the inputs, as a rewritten model."""
        signature, kind = context.signature, context.spec.kind
        names = [tensor.name for tensor in signature.inputs]
        content = self._content(program, context, shapes)
        model = upstream.read_flatbuffer(content)
        rewrites.rename_inputs_and_outputs(model, names, [tensor.name for tensor in signature.outputs])
        rewrites.shorten_tensor_names(model)
        if kind == "static":
            transposed.transpose_convolutions_in_integers(model)
            rewrites.compute_in_float(model)
            quantize_once(model, grids(program))
        elif kind in ("dynamic", "weights"):
            weights.use_integer_weights(model, weights.LOOKUPS | (weights.HYBRID if kind == "dynamic" else frozenset()))
        elif str(context.spec) == "float16":
            weights.store_constants_as_float16(model)
        return model


def _with_dimension_names(found: tuple[Tensor, ...], declared: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The file's tensors, the sizes it leaves open under the names they were declared with."""
    return tuple(
        tensor.model_copy(
            update={
                "shape": tuple(
                    name if isinstance(size, str) else size
                    for size, name in zip(tensor.shape, wanted.shape, strict=True)
                )
            }
        )
        for tensor, wanted in zip(found, declared, strict=True)
    )

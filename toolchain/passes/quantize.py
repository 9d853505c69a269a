"""Post-training quantization of a program: static, dynamic and weights only.

Every pass ends in an *unfolded* PT2E program: float weights in the state, each followed by a quantize and a
dequantize. `api.folded` turns weight and quantize into one stored integer constant. The operators are
`torch.ops.quantized_decomposed.*`.

What a target meets, after folding:

quantize-static
    x → quantize_per_tensor(scale, zero_point, -128, 127, int8) → dequantize_per_tensor → conv2d | linear | add | mul …
    SiLU is sigmoid and mul; what follows a sigmoid is quantized with scale 1/256 and zero point -128.
    A batch norm that follows no convolution is a depthwise convolution of size 1. Global average pooling is mean.dim,
    and the quantize after it has a scale of its own; other pooling, padding and resizing keep their input's. A split is
    a slice for each of its parts.
    int8 weight → dequantize_per_channel(scales, zeros, axis 0, -127, 127, int8) → the weight argument;
    biases are float. ReLU and ReLU6 (hardtanh) follow their convolution directly, the quantize comes after them.
    Embedding tables: see `edgeship.toolchain.quantization.constants.quantize_embeddings`.

quantize-dynamic
    x → choose_qparams.tensor(x, -128, 127, eps, int8) → (scale, zero point)
    x → quantize_per_tensor.tensor → dequantize_per_tensor.tensor → linear, one quantize for all its readers;
    weights and embedding tables as above.
    The program has one scale per tensor, which every runtime can follow. XNNPACK and LiteRT compute one scale per row
    and come closer to the float model than the program does (MiniLM: cosine 0.9989 against 0.9938).

quantize-weights
    int8 weight → dequantize_per_channel(axis 0; 1 for transposed convolutions) → conv | linear;
    int4 in an int8 container [out, in] → dequantize_per_channel_group(scales [out, in / group], zeros, -8, 7) →
    linear; embedding tables as in quantize-dynamic. No activation is quantized.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from edgeship.toolchain.api import (
    FLOAT32,
    W8_WEIGHTS,
    W8A8_DYNAMIC,
    W8A8_STATIC,
    Context,
    DataError,
    EdgeshipError,
    Need,
    ProgramPass,
    QuantSpec,
    Samples,
    Signature,
    export,
)
from edgeship.toolchain.passes.parts import Parts
from edgeship.toolchain.passes.training import stack
from edgeship.toolchain.quantization.layers import change
from edgeship.toolchain.quantization.ranges import Ranges

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.fx import GraphModule


class QuantizeStatic(Parts, ProgramPass):
    """Int8 weights per channel and int8 activations whose ranges come from calibration data."""

    version: ClassVar[int] = 3
    packages: ClassVar[tuple[str, ...]] = ("torchao", "executorch")
    extra: ClassVar[str] = "executorch"
    needs: ClassVar[frozenset[Need]] = frozenset({"calibration"})

    ranges: Ranges = Field(
        "nearest",
        description="how activation ranges are found: histogram (least squared error), min-max, percentile, or "
        "nearest: the one of the first two that answers nearer to the float program on calibration data",
    )
    percentile: float = Field(
        99.99, gt=50, le=100, description="share of values, in percent, that `ranges = percentile` keeps"
    )
    batch_size: int = Field(
        16, ge=1, description="samples per calibration step, where the model's first dimension is dynamic"
    )
    embeddings: bool = Field(True, description="store embedding tables as int8, one scale per row")

    def own(self) -> QuantSpec:
        """int8 static."""
        return W8A8_STATIC

    def apply(self, program: ExportedProgram, context: Context) -> ExportedProgram:
        """Observe the calibration samples in order and convert; EdgeshipError when they are unusable."""
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

        from edgeship.toolchain.quantization.constants import quantize_embeddings
        from edgeship.toolchain.quantization.observed import lift_dead_channels, range_warnings
        from edgeship.toolchain.quantization.quantizer import SCALE_FLOOR, portable_quantizer, symmetric_config
        from edgeship.toolchain.quantization.ranges import activation_observer

        samples = context.calibration
        if samples is None or len(samples) == 0:
            raise DataError("quantize-static has no calibration samples", "declare [calibration] in the recipe")
        config = symmetric_config(activation_observer(self.ranges, self.percentile))
        module = program.module()
        made_of = change(module, context.spec, self.spec(context.spec))
        prepared = prepare_pt2e(module, portable_quantizer(config, made_of))
        self._calibrate(prepared, samples, context)
        for warning in range_warnings(prepared, SCALE_FLOOR):
            context.warn(warning)
        lift_dead_channels(prepared)
        converted = convert_pt2e(prepared, fold_quantize=False)
        if self.embeddings:
            quantize_embeddings(converted, made_of)
        return _stored(converted, context)

    def _calibrate(self, prepared: GraphModule, samples: Samples, context: Context) -> None:
        import torch

        from edgeship.toolchain.quantization import nearest

        def run(step: range) -> Any:
            context.progress(f"calibration sample {step.start + 1} of {len(samples)}")
            return prepared(*stack(samples, step))

        size = min(self.batch_size, _largest_batch(context.signature))
        steps = [range(start, min(start + size, len(samples))) for start in range(0, len(samples), size)]
        with torch.no_grad():
            if self.ranges == "nearest":
                nearest.calibrate(prepared, steps, run)
            else:
                for step in steps:
                    run(step)


class QuantizeDynamic(Parts, ProgramPass):
    """Int8 weights per channel and int8 activations quantized at run time, for linear layers; int8 embeddings."""

    packages: ClassVar[tuple[str, ...]] = ("torchao", "executorch")
    extra: ClassVar[str] = "executorch"

    embeddings: bool = Field(True, description="store embedding tables as int8, one scale per row")
    convolutions: bool = Field(
        False, description="quantize 2-D convolutions too; slower than float in every runtime that was measured"
    )

    def own(self) -> QuantSpec:
        """int8 dynamic."""
        return W8A8_DYNAMIC

    def apply(self, program: ExportedProgram, context: Context) -> ExportedProgram:
        """Convert without data; EdgeshipError when there is nothing to quantize."""
        import torch
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

        from edgeship.toolchain.quantization.constants import quantize_embeddings
        from edgeship.toolchain.quantization.quantizer import portable_quantizer, symmetric_config

        operators = None if self.convolutions else [torch.ops.aten.linear.default]
        module = program.module()
        made_of = change(module, context.spec, self.spec(context.spec))
        prepared = prepare_pt2e(module, portable_quantizer(symmetric_config(is_dynamic=True), made_of, operators))
        with torch.no_grad():
            prepared(*context.example)  # the observers of the weights see them only when it runs
        converted = convert_pt2e(prepared, fold_quantize=False)
        chosen = torch.ops.quantized_decomposed.choose_qparams.tensor
        if not any(node.target is chosen for node in converted.graph.nodes):
            raise EdgeshipError(
                "quantize-dynamic finds no linear layer to quantize: the artifact would compute in float",
                "use quantize-static for convolutional models",
            )
        if self.embeddings:
            quantize_embeddings(converted, made_of)
        return _stored(converted, context)


class QuantizeWeights(Parts, ProgramPass):
    """Int8 or int4 weights that are dequantized for float arithmetic; int8 embeddings."""

    packages: ClassVar[tuple[str, ...]] = ("torchao",)

    bits: Literal[8, 4] = Field(8, description="4: linear layers in groups; what has no groups takes 8")
    group: int = Field(32, ge=2, description="inputs that share one scale, for 4 bits")
    embeddings: bool = Field(True, description="store embedding tables as int8, one scale per row")

    def own(self) -> QuantSpec:
        """int8 weights, or int4 in groups."""
        return W8_WEIGHTS if self.bits == 8 else QuantSpec("weights", 4, group=self.group)

    def can_make(self, spec: QuantSpec) -> bool:
        """float32, int8 weights, and int4 weights in groups of any size."""
        return spec in (FLOAT32, W8_WEIGHTS) or (spec.scheme == "w4-weights" and spec.group > 1)

    def apply(self, program: ExportedProgram, context: Context) -> ExportedProgram:
        """Convert without data; EdgeshipError when no layer has the weights asked for."""
        from edgeship.toolchain.quantization.constants import quantize_embeddings, quantize_layer_weights
        from edgeship.toolchain.quantization.upstream import fold_batch_norm

        module = program.module()
        fold_batch_norm(module)
        made_of = change(module, context.spec, self.spec(context.spec))
        if self.embeddings:
            quantize_embeddings(module, made_of)
        counts = quantize_layer_weights(module, made_of)
        if not counts.get(str(self.bits)):
            raise EdgeshipError(
                f"quantize-weights finds no weight for {self.bits} bits"
                + (f" in groups of {self.group}" if self.bits == 4 else ""),
                "4 bits need linear layers whose input size is a multiple of the group; try bits = 8",
            )
        if self.bits == 4 and counts.get("8"):
            context.warn(f"{counts['8']} of {sum(counts.values())} weights take 8 bits: no linear layer in groups")
        return _stored(module, context)


def _stored(module: GraphModule, context: Context) -> ExportedProgram:
    """The program to store: nothing unused in it."""
    from edgeship.toolchain.quantization.upstream import drop_unused_state

    drop_unused_state(module)
    return export(module, context.example, context.signature)


def _largest_batch(signature: Signature) -> int:
    """How many samples the model takes at once: 1 where its first dimension is fixed, or not the same everywhere."""
    first = {tensor.shape[0] if tensor.shape else None for tensor in signature.inputs}
    batch = first.pop()
    return signature.dims[batch][1] if not first and isinstance(batch, str) else 1

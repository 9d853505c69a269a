"""Quantization-aware training: the network learns to live with int8 (or fewer bits) before it is converted."""

from __future__ import annotations

import functools
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from edgeship.toolchain.api import FLOAT32, Context, ExportError, ModuleToProgramPass, QuantSpec, Signature, export
from edgeship.toolchain.passes.parts import Parts
from edgeship.toolchain.passes.training import Training, stack, train
from edgeship.toolchain.quantization.layers import change

if TYPE_CHECKING:
    import torch
    from torch import nn
    from torch.export import ExportedProgram
    from torch.fx import GraphModule

FREEZE_AFTER = 2 / 3  # of the steps: then ranges and batch norm statistics stand still and the weights settle
LEAST_AGREEMENT_DB = 40.0  # measured 42 to 51 with the trained scales, 6 to 12 with those that torchao recomputes


class Qat(Training, Parts, ModuleToProgramPass):
    """Trains with fake quantization and ends in the same kind of program as quantize-static."""

    version: ClassVar[int] = 2
    packages: ClassVar[tuple[str, ...]] = ("torchao", "executorch")
    extra: ClassVar[str] = "executorch"

    lr: float = Field(5e-4, gt=0, description="peak learning rate of AdamW; it falls to zero along a cosine")
    weight_bits: Literal[8, 4, 3] = Field(8, description="below 8 the values stay in int8 containers, per channel")

    def own(self) -> QuantSpec:
        """Static with these weight bits."""
        return QuantSpec("static", self.weight_bits, 8)

    def apply(self, module: nn.Module, context: Context) -> ExportedProgram:
        """Train and convert.

        Raises ExportError when the model cannot be exported for batches, or when the converted program is not what
        was trained; see `edgeship.toolchain.passes.training.train` for the rest.
        """
        from torchao.quantization.pt2e import move_exported_model_to_eval, move_exported_model_to_train
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_qat_pt2e

        from edgeship.toolchain.quantization.quantizer import portable_quantizer, symmetric_config
        from edgeship.toolchain.quantization.upstream import fold_batch_norm, fused_for_training, quick_patterns

        trainable = export(module.train(), context.example, _for_batches(context.signature, self.batch_size))
        config = symmetric_config(is_qat=True, weight_qmax=2 ** (self.weight_bits - 1) - 1)
        graph = trainable.module()
        made_of = change(graph, context.spec, self.spec(context.spec))
        with quick_patterns(), fused_for_training(lambda node: made_of(node) != FLOAT32):
            prepared = prepare_qat_pt2e(graph, portable_quantizer(config, made_of))
        move_exported_model_to_train(prepared)
        train(prepared, self, context, lambda: freeze(prepared), FREEZE_AFTER)
        move_exported_model_to_eval(prepared)
        keep_trained_scales(prepared)
        assert context.training is not None  # train() has refused that
        probe = stack(context.training, np.arange(min(len(context.training), self.batch_size)))
        trained = _answers(prepared, probe)
        with quick_patterns():
            converted = convert_pt2e(prepared, fold_quantize=False)
        _check_conversion(trained, _answers(converted, probe), context)
        if self.parts:
            fold_batch_norm(converted)
        return export(converted, context.example, context.signature)


def freeze(prepared: GraphModule) -> None:
    """Stop the observers and use batch norm's running statistics from here on."""
    import torch
    from torchao.quantization.pt2e import disable_observer

    for node in prepared.graph.nodes:
        if node.target is torch.ops.aten.batch_norm.default:
            node.update_arg(5, False)
    prepared.recompile()
    prepared.apply(disable_observer)


def keep_trained_scales(prepared: GraphModule) -> None:
    """Convert with the scales that were trained with: torchao computes others from the ranges, up to 14% away."""
    from torchao.quantization.pt2e.fake_quantize import FusedMovingAvgObsFakeQuantize

    for part in prepared.modules():
        if isinstance(part, FusedMovingAvgObsFakeQuantize):
            part.calculate_qparams = functools.partial(_trained_scale, part)


def _trained_scale(part: Any) -> tuple[torch.Tensor, torch.Tensor]:
    return part.scale, part.zero_point


def _for_batches(signature: Signature, batch_size: int) -> Signature:
    """The signature with a first dimension that takes a whole training batch."""
    names = {tensor.shape[0] for tensor in signature.inputs if isinstance(tensor.shape[0], str)}
    batch = names.pop() if len(names) == 1 else "batch"
    inputs = tuple(t.model_copy(update={"shape": (batch, *t.shape[1:])}) for t in signature.inputs)
    low, high = signature.dims.get(batch, (1, 1))
    return replace(signature, inputs=inputs, dims={**signature.dims, batch: (low, max(high, batch_size))})


def _answers(module: GraphModule, inputs: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
    import torch

    with torch.no_grad():
        return [value.double() for value in module(*inputs)]


def _check_conversion(trained: list[torch.Tensor], converted: list[torch.Tensor], context: Context) -> None:
    for tensor, wanted, given in zip(context.signature.outputs, trained, converted, strict=True):
        noise, energy = float((given - wanted).square().sum()), float(wanted.square().sum())
        agreement = 10 * math.log10(energy / noise) if noise > 0 and energy > 0 else (math.inf if energy > 0 else 0.0)
        context.progress(f"converted {tensor.name}: {agreement:.1f} dB against what was trained")
        if not agreement >= LEAST_AGREEMENT_DB:
            raise ExportError(
                f"output {tensor.name!r} of the converted program agrees with the trained one by {agreement:.1f} dB, "
                f"{LEAST_AGREEMENT_DB:.0f} are needed: torchao's conversion changed its scales",
                "please report this network; quantize-static does not need this conversion",
            )

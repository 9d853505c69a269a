"""The portable quantizer: one int8 program that every runtime takes.

A thin subclass of ExecuTorch's XNNPACKQuantizer. Signal over quantization noise of the program on held-out images
(batch norm warmed up), stock → portable: MobileNetV2 35.6 → 36.9 dB, MobileNetV3-L 16.6 → 33.8, ResNet18 25.5 → 25.5.
What it changes:

* a convolution (or linear) and its ReLU6 share one quantization of the output (the stock quantizer only fuses ReLU);
* the floor under every scale is 1e-9 instead of 2**-12, which destroys networks with small activations;
* SiLU is taken apart, and sigmoid computes in integers (see `activations`);
* what adds 0 or multiplies by 1 is taken out (see `identities`), and factors and terms per channel, lone batch norms
  among them, become part of a layer or a depthwise convolution (see `channels`);
* what only moves numbers keeps their scale (see `sharing`);
* an average over a whole image has a scale of its own instead of its input's (see `means`): 25.0 → 33.3 dB in a small
  EfficientNet-like net, 37.1 → 43.5 in a residual one;
* integer arithmetic (positions, masks) is left alone: the stock one turns its scalars into float tensors.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from edgeship.toolchain.errors import missing_extra
from edgeship.toolchain.quant import FLOAT32

if TYPE_CHECKING:
    from torch.fx import GraphModule, Node
    from torchao.quantization.pt2e.quantizer import QuantizationConfig, QuantizationSpec, Quantizer

    from edgeship.toolchain.quantization.layers import Change

SCALE_FLOOR = 1e-9
"""Smallest scale of activations and weights."""


def symmetric_config(
    activation_observer: Any = None, *, is_dynamic: bool = False, is_qat: bool = False, weight_qmax: int = 127
) -> QuantizationConfig:
    """Int8 activations (per tensor, affine), weights per channel and symmetric in [-weight_qmax, weight_qmax].

    `activation_observer` replaces the stock (histogram) observer of activations. Weight ranges below 8 bits stay in
    int8 containers.
    """
    _, config_of = _upstream()
    config = config_of(
        is_per_channel=True, is_dynamic=is_dynamic, is_qat=is_qat, weight_qmin=-weight_qmax, weight_qmax=weight_qmax
    )
    activation = _with_floor(config.input_activation, activation_observer)
    return replace(
        config,
        input_activation=activation,
        output_activation=activation if config.output_activation is not None else None,
        weight=_symmetric_in_training(_with_floor(config.weight)) if is_qat else _with_floor(config.weight),
    )


def _symmetric_in_training(spec: QuantizationSpec) -> QuantizationSpec:
    """Weights trained with zero points of 0, which is all that runtimes take.

    torch's fused fake quantization moves the zero point of a channel whose weights all have one sign.
    """
    from torchao.quantization.pt2e import FakeQuantize

    keywords = spec.observer_or_fake_quant_ctr.p.keywords
    return replace(spec, observer_or_fake_quant_ctr=FakeQuantize.with_args(**keywords))


def portable_quantizer(
    config: QuantizationConfig, made_of: Change, operators: Sequence[Any] | None = None
) -> Quantizer:
    """The quantizer with one configuration, for the layers that are to change, and for these operators only."""
    quantizer = _quantizer_class()(made_of)
    if operators is None:
        return quantizer.set_global(config)
    for operator in operators:
        quantizer.set_operator_type(operator, config)
    return quantizer


def _with_floor(spec: QuantizationSpec, observer: Any = None) -> QuantizationSpec:
    # torchao wants the class directly below one PartialWrapper: unwrap, do not nest
    partial = (spec.observer_or_fake_quant_ctr if observer is None else observer).p
    constructor = partial.func.with_args(**{**partial.keywords, "eps": SCALE_FLOOR})
    return replace(spec, observer_or_fake_quant_ctr=constructor)


def _upstream() -> tuple[Any, Any]:
    try:
        from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
            XNNPACKQuantizer,
            get_symmetric_quantization_config,
        )
    except ImportError as error:
        raise missing_extra("executorch", "executorch, whose quantizer edgeship builds on,") from error
    return XNNPACKQuantizer, get_symmetric_quantization_config


@functools.cache
def _quantizer_class() -> Any:
    base, _ = _upstream()

    class PortableQuantizer(base):  # type: ignore[misc, valid-type]
        """See the module's docstring."""

        def __init__(self, made_of: Change) -> None:
            super().__init__()
            self.made_of = made_of

        def transform_for_annotation(self, model: GraphModule) -> GraphModule:
            from edgeship.toolchain.quantization.activations import take_silu_apart
            from edgeship.toolchain.quantization.channels import fold_affines
            from edgeship.toolchain.quantization.identities import drop_identities
            from edgeship.toolchain.quantization.means import pools_to_means
            from edgeship.toolchain.quantization.sharing import split_by_slices
            from edgeship.toolchain.quantization.upstream import float_scalars_to_buffers

            if self.global_config is not None:
                drop_identities(model, self.made_of)
                take_silu_apart(model, self.made_of)
                pools_to_means(model, self.made_of)
                split_by_slices(model, self.made_of)
                if not self.global_config.is_qat:  # what is trained keeps its parameters
                    fold_affines(model, self.made_of)
            float_scalars_to_buffers(model)
            return model

        def annotate(self, model: GraphModule) -> GraphModule:
            from edgeship.toolchain.quantization.activations import annotate_sigmoid, read_as_given
            from edgeship.toolchain.quantization.means import scale_means
            from edgeship.toolchain.quantization.sharing import share_scales

            leave_alone(model, self.made_of)
            if not any("batch_norm" in str(node.target) for node in model.graph.nodes):
                # the stock quantizer exports these patterns anew for every search, which takes longer than all the rest
                self.SUPPORTED_PATTERNS = [pattern for pattern in base.SUPPORTED_PATTERNS if not pattern.is_qat]
                model.graph.eliminate_dead_code()  # as their search does
                model.recompile()
            if self.global_config is not None:
                annotate_sigmoid(model, self.global_config)
            super().annotate(model)
            for _ in range(most_uses(model) - 1):
                # a weight counts as annotated with its first layer, and the next that shares it would stay in float
                forget_weights(model)
                super().annotate(model)
            fuse_relu6(model)
            if self.global_config is not None:
                read_as_given(model)
                share_scales(model)
                scale_means(model, self.global_config)
            return model

    return PortableQuantizer


def most_uses(model: GraphModule) -> int:
    """How often the most used parameter of a convolution is used: 2 and more where a module is called again."""
    import torch

    layers = [node for node in model.graph.nodes if str(node.target).startswith("aten.conv")]
    weights = [node.args[1] for node in layers if isinstance(node.args[1], torch.fx.Node)]
    return max((weights.count(weight) for weight in weights), default=1)


def forget_weights(model: GraphModule) -> None:
    """Remove the annotation marks of parameters and buffers."""
    from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

    for node in model.graph.nodes:
        if node.op == "get_attr":
            node.meta.pop(Q_ANNOTATION_KEY, None)


def leave_alone(model: GraphModule, made_of: Change) -> None:
    """Annotate with nothing what no pattern may take.

    That is the operators of layers that stay float, and those that answer no float32: positions, masks, joined ids.
    """
    import torch
    from torchao.quantization.pt2e.quantizer import QuantizationAnnotation
    from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

    for node in model.graph.nodes:
        if node.op != "call_function":
            continue
        value = node.meta.get("val")
        is_other = isinstance(value, torch.Tensor) and value.dtype != torch.float32
        if is_other or made_of(node) == FLOAT32:
            node.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(_annotated=True)


def fuse_relu6(model: GraphModule) -> int:
    """Move the output annotation of a convolution, linear or batch norm to the hardtanh that alone reads it.

    Returns the number of fused pairs.
    """
    import torch
    from torchao.quantization.pt2e.quantizer import QuantizationAnnotation, QuantizationSpec
    from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

    aten = torch.ops.aten
    producers = {
        aten.conv1d.default,
        aten.conv2d.default,
        aten.conv_transpose2d.input,
        aten.linear.default,
        aten.batch_norm.default,
    }
    fused = 0
    for clamp in model.graph.nodes:
        if clamp.target not in (aten.hardtanh.default, aten.hardtanh_.default, aten.relu6.default):
            continue
        producer = clamp.args[0]
        annotation = producer.meta.get(Q_ANNOTATION_KEY)
        if producer.target not in producers or len(producer.users) > 1 or annotation is None:
            continue
        if not isinstance(annotation.output_qspec, QuantizationSpec) or _stays_float(clamp):
            continue
        clamp.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(output_qspec=annotation.output_qspec, _annotated=True)
        annotation.output_qspec = None
        fused += 1
    return fused


def _stays_float(node: Node) -> bool:
    from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

    annotation = node.meta.get(Q_ANNOTATION_KEY)
    return annotation is not None and annotation.output_qspec is None

"""Activation functions in integers: patterns that the stock quantizer lacks.

SiLU is x * sigmoid(x). Both have int8 kernels in ONNX Runtime (QLinearSigmoid, QLinearMul), LiteRT, ExecuTorch and
qnnpack; as one operator it has none, and each would be dequantized, computed in float and quantized again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeship.toolchain.quant import FLOAT32
from edgeship.toolchain.quantization.aliasing import may_be_view

if TYPE_CHECKING:
    from torch.fx import GraphModule, Node
    from torchao.quantization.pt2e.quantizer import QuantizationConfig

    from edgeship.toolchain.quantization.layers import Change


def take_silu_apart(model: GraphModule, made_of: Change) -> int:
    """Write silu(x) as x * sigmoid(x) where the layer is to change, in place; returns how many there were.

    Not where it overwrites a part of a larger tensor: others may read that tensor afterwards.
    """
    import torch

    aten = torch.ops.aten
    taken = 0
    for node in list(model.graph.nodes):
        if node.target not in (aten.silu.default, aten.silu_.default) or made_of(node) == FLOAT32:
            continue
        value = node.args[0]
        if node.target is aten.silu_.default and may_be_view(value):
            continue
        with model.graph.inserting_before(node):
            gate = model.graph.call_function(aten.sigmoid.default, (value,))
            product = model.graph.call_function(aten.mul.Tensor, (value, gate))
        for new in (gate, product):
            new.meta = dict(node.meta)
        node.replace_all_uses_with(product)
        model.graph.erase_node(node)
        taken += 1
    model.recompile()
    return taken


def annotate_sigmoid(model: GraphModule, config: QuantizationConfig) -> int:
    """Quantize the input and the output of every float32 sigmoid that is free yet; returns how many.

    The output's scale is 1/256 and its zero point -128: TFLite and qnnpack take no other.
    """
    import torch
    from torchao.quantization.pt2e.quantizer import FixedQParamsQuantizationSpec, QuantizationAnnotation
    from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

    aten = torch.ops.aten
    output = FixedQParamsQuantizationSpec(
        dtype=torch.int8,
        scale=1 / 256,
        zero_point=-128,
        quant_min=-128,
        quant_max=127,
        qscheme=torch.per_tensor_affine,
    )
    annotated = 0
    for node in model.graph.nodes:
        if node.target not in (aten.sigmoid.default, aten.sigmoid_.default) or Q_ANNOTATION_KEY in node.meta:
            continue
        if node.meta["val"].dtype != torch.float32:
            continue
        node.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(
            input_qspec_map={node.args[0]: config.input_activation}, output_qspec=output, _annotated=True
        )
        annotated += 1
    return annotated


def read_as_given(model: GraphModule) -> int:
    """Let what reads a sigmoid take its fixed scale, in place: an observer of its own would quantize it once more."""
    from torchao.quantization.pt2e.quantizer import FixedQParamsQuantizationSpec, SharedQuantizationSpec
    from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

    def is_fixed(source: Node) -> bool:
        annotation = source.meta.get(Q_ANNOTATION_KEY)
        return annotation is not None and isinstance(annotation.output_qspec, FixedQParamsQuantizationSpec)

    read = 0
    for node in model.graph.nodes:
        annotation = node.meta.get(Q_ANNOTATION_KEY)
        wanted = annotation.input_qspec_map if annotation is not None else {}
        for source in [source for source, spec in wanted.items() if spec is not None and is_fixed(source)]:
            wanted[source] = SharedQuantizationSpec(source)
            read += 1
    return read

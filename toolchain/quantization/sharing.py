"""Operators that only move or choose numbers: their results keep the scale of what they take.

The stock quantizer knows max_pool2d, permute, view and a few more. Behind any other one it stops: what follows computes
in float until the next layer, in ONNX Runtime with the mover itself.
"""

from __future__ import annotations

import itertools
import operator
from typing import TYPE_CHECKING, Any

from edgeship.toolchain.quant import FLOAT32

if TYPE_CHECKING:
    from torch.fx import GraphModule, Node

    from edgeship.toolchain.quantization.layers import Change


def split_by_slices(model: GraphModule, made_of: Change) -> int:
    """Write every part of chunk and split as a slice, in place; returns how many parts there were.

    XNNPACK cuts integers in slices, and has no operator with several results that ExecuTorch would give it.
    """
    import torch

    aten = torch.ops.aten
    splitting = {aten.chunk.default, aten.split.Tensor, aten.split_with_sizes.default, aten.split.sizes}
    written = 0
    for node in [node for node in model.graph.nodes if node.target in splitting]:
        dim = int(node.args[2]) if len(node.args) > 2 else int(node.kwargs.get("dim", 0))
        sizes = [part.shape[dim] for part in node.meta["val"]]
        parts = [user for user in node.users if user.target is operator.getitem]
        fixed = all(isinstance(size, int) for size in sizes)
        if made_of(node) == FLOAT32 or not fixed or len(parts) < len(node.users):
            continue
        ends = [0, *itertools.accumulate(sizes)]
        for part in parts:
            index = part.args[1]
            with model.graph.inserting_before(part):
                piece = _call(part, aten.slice.Tensor, node.args[0], dim, ends[index], ends[index + 1])
            part.replace_all_uses_with(piece)
            model.graph.erase_node(part)
            written += 1
        model.graph.erase_node(node)
    model.recompile()
    return written


def share_scales(model: GraphModule) -> int:
    """Quantize what moves quantized numbers with their scale, where the stock quantizer left it; returns how many."""
    from torchao.quantization.pt2e.quantizer import QuantizationAnnotation, SharedQuantizationSpec
    from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

    shared = 0
    for node in model.graph.nodes:
        source: Any = node.args[0] if node.args else None
        if Q_ANNOTATION_KEY in node.meta or not _moves(node) or not hasattr(source, "meta"):
            continue
        before = source.meta.get(Q_ANNOTATION_KEY)
        if before is None or before.output_qspec is None:
            continue
        same = SharedQuantizationSpec(source)
        node.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(
            input_qspec_map={source: same}, output_qspec=same, _annotated=True
        )
        shared += 1
    return shared


def _moves(node: Node) -> bool:
    """Whether all numbers of the result are its first argument's, zeros, or lie between some of them."""
    import torch
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer_utils import _is_share_obs_or_fq_op

    aten = torch.ops.aten
    if node.target in (aten.pad.default, aten.constant_pad_nd.default):
        rest = [value for value in node.args[2:] if not isinstance(value, str)]
        return not any(rest)
    return _is_share_obs_or_fq_op(node.target) or node.target in {
        aten.contiguous.default,
        aten.clone.default,
        aten.unsqueeze.default,
        aten.max_pool1d.default,
        aten.max_pool3d.default,
        aten.pixel_shuffle.default,
        aten.upsample_nearest1d.vec,
        aten.upsample_nearest2d.vec,
        aten.upsample_bilinear2d.vec,
    }


def _call(like: Node, target: Any, *arguments: Any) -> Node:
    """A new node in the place of another, at the graph's insertion point."""
    node = like.graph.call_function(target, arguments)
    value, *rest = arguments
    # the stock quantizer finds pooling by the function and the class that were called: the path alone is kept
    node.meta = {key: like.meta[key] for key in ("nn_module_stack", "stack_trace") if key in like.meta}
    node.meta["val"] = target(value.meta["val"], *rest)
    return node

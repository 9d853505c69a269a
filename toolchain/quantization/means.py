"""Global averages: one operator, with a scale of its own.

The stock quantizer lets an average keep the scale of its input. The average over a whole image has a far smaller range
than the image (22 times smaller scale in an EfficientNet-like net), and the classifier behind it loses those bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeship.toolchain.quant import FLOAT32

if TYPE_CHECKING:
    from torch.fx import GraphModule, Node
    from torchao.quantization.pt2e.quantizer import QuantizationConfig

    from edgeship.toolchain.quantization.layers import Change


def pools_to_means(model: GraphModule, made_of: Change) -> int:
    """Write adaptive average pooling to size 1 as the mean that it is, in place; returns how many there were."""
    import torch

    aten = torch.ops.aten
    axes = {aten.adaptive_avg_pool1d.default: [-1], aten.adaptive_avg_pool2d.default: [-2, -1]}
    changed = 0
    for node in list(model.graph.nodes):
        if node.target not in axes or made_of(node) == FLOAT32 or set(_sizes(node.args[1])) != {1}:
            continue
        with model.graph.inserting_before(node):
            mean = model.graph.call_function(aten.mean.dim, (node.args[0], axes[node.target], True))
        # the stock quantizer finds pooling by the function and the class that were called: the path alone is kept
        mean.meta = {key: value for key, value in node.meta.items() if key not in ("torch_fn", "source_fn_stack")}
        stack = mean.meta.get("nn_module_stack", {})
        mean.meta["nn_module_stack"] = {key: (path, "") for key, (path, _) in stack.items()}
        node.replace_all_uses_with(mean)
        model.graph.erase_node(node)
        changed += 1
    model.recompile()
    return changed


def scale_means(model: GraphModule, config: QuantizationConfig) -> int:
    """Give every quantized mean over the last axes of an image or signal a scale of its own; returns how many."""
    import torch
    from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

    scaled = 0
    for node in model.graph.nodes:
        annotation = node.meta.get(Q_ANNOTATION_KEY)
        if node.target is not torch.ops.aten.mean.dim or annotation is None or annotation.output_qspec is None:
            continue
        if _is_global(node):
            annotation.output_qspec = config.output_activation
            scaled += 1
    return scaled


def _is_global(node: Node) -> bool:
    """Whether the mean is over all axes behind batch and channels."""
    source: Any = node.args[0]
    dims = source.meta["val"].dim()
    axes = {axis % dims for axis in _sizes(node.args[1])}
    return dims > 2 and axes == set(range(2, dims))


def _sizes(value: Any) -> list[int]:
    return list(value) if isinstance(value, list | tuple) else [value]

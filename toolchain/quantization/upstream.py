"""The private parts of torchao 0.18 that edgeship stands on."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

if TYPE_CHECKING:
    import torch
    from torch.fx import GraphModule, Node


def fold_weights(module: GraphModule) -> None:
    """Fold quantized weights in place: float weight → quantize becomes a stored int8 constant; dequantize stays.

    `convert_pt2e(fold_quantize=True)` does this, but the stored program is unfolded because LiteRT wants it so.
    """
    from torchao.quantization.pt2e.constant_fold import constant_fold
    from torchao.quantization.pt2e.quantize_pt2e import _quant_node_constraint

    constant_fold(module, _quant_node_constraint)
    drop_unused_state(module)


def fold_batch_norm(module: GraphModule) -> None:
    """Fold the batch norms that follow a convolution or a linear into its weights, in place."""
    from torchao.quantization.pt2e.utils import _fuse_conv_bn_, _fuse_linear_bn_

    _fuse_conv_bn_(module)
    _fuse_linear_bn_(module)
    drop_unused_state(module)


def drop_unused_state(module: GraphModule) -> None:
    """Remove parameters and buffers that no node reads: torchao's passes leave the old weights behind."""
    module.graph.eliminate_dead_code()
    used = {node.target for node in module.graph.nodes if node.op == "get_attr"}
    for name in [name for name, _ in [*module.named_parameters(), *module.named_buffers()] if name not in used]:
        owner, _, attribute = name.rpartition(".")
        delattr(module.get_submodule(owner), attribute)
    module.recompile()


def float_scalars_to_buffers(model: GraphModule) -> None:
    """Turn the scalars of float32 additions and multiplications into buffers, in place, so that they are quantized.

    XNNPACKQuantizer's own transformation does it to integer nodes too, and integer positions become floats.
    """
    import torch
    from torchao.quantization.pt2e.utils import get_new_attr_name_with_prefix

    new_name = get_new_attr_name_with_prefix("_tensor_constant_")
    for node in list(model.graph.nodes):
        if node.target not in (torch.ops.aten.add.Tensor, torch.ops.aten.mul.Tensor):
            continue
        # an add's `alpha` would be lost on a tensor; integer operands beside a float scalar stay as they are
        tensors = [arg for arg in node.args if isinstance(arg, torch.fx.Node)]
        if node.kwargs or any(tensor.meta["val"].dtype != torch.float32 for tensor in [node, *tensors]):
            continue
        for index, arg in enumerate(node.args):
            if isinstance(arg, torch.fx.Node):
                continue
            value = torch.tensor(float(arg))
            name = new_name(model)
            model.register_buffer(name, value)
            with model.graph.inserting_before(node):
                constant = model.graph.create_node("get_attr", name)
            constant.meta["val"] = node.meta["val"].fake_mode.from_tensor(value, static_shapes=True)
            node.update_arg(index, constant)
    model.recompile()


@functools.cache
def percentile_observer() -> Any:
    """An observer class that cuts the tails of torchao's running histogram; takes `percentile` (99.99)."""
    import torch
    from torchao.quantization.pt2e import HistogramObserver

    class PercentileObserver(HistogramObserver):  # type: ignore[misc]
        """The range that holds `percentile` % of all values seen, the rest cut equally at both ends."""

        def __init__(self, percentile: float = 99.99, **options: Any) -> None:
            super().__init__(**options)
            self.percentile = percentile

        def _non_linear_param_search(self) -> tuple[torch.Tensor, torch.Tensor]:
            tail = (1 - self.percentile / 100) / 2
            cumulative = torch.cumsum(self.histogram, 0) / self.histogram.sum()
            width = (self.max_val - self.min_val) / self.bins
            # a value is inside when the share below its bin's end exceeds the tail
            first = int((cumulative <= tail).sum())
            last = int((cumulative < 1 - tail).sum())
            low = self.min_val + width * first
            high = self.min_val + width * min(last + 1, self.bins)
            return low, high

    return PercentileObserver


def range_observers(prepared: GraphModule, activations: bool = True) -> list[Any]:
    """The observers of a prepared program, each once; `activations`: those alone that keep a histogram."""
    from torchao.quantization.pt2e import HistogramObserver, ObserverBase

    kind = HistogramObserver if activations else ObserverBase
    return [module for module in prepared.modules() if isinstance(module, kind)]


def keep_every_value(observer: Any) -> None:
    """Let a histogram observer answer with the smallest and the largest value that it saw."""
    observer._non_linear_param_search = lambda: (observer.min_val, observer.max_val)


def parameters(observer: Any, every_value: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale and zero point by what was observed yet; `every_value`: a histogram's by the smallest and largest."""
    from torchao.quantization.pt2e import HistogramObserver

    with ExitStack() as stack:
        if every_value and isinstance(observer, HistogramObserver):
            bounds = (observer.min_val, observer.max_val)
            stack.enter_context(mock.patch.object(observer, "_non_linear_param_search", return_value=bounds))
        found: tuple[torch.Tensor, torch.Tensor] = observer.calculate_qparams()
    return found


@contextmanager
def quick_patterns() -> Iterator[None]:
    """Let torchao trace the patterns of QAT without dynamo: the same graphs, three times faster.

    prepare_qat_pt2e and convert_pt2e export about 60 patterns (27 s of CPU time) with `strict=True`.
    """
    import torch

    export = torch.export.export

    def without_dynamo(*args: Any, **options: Any) -> Any:
        return export(*args, **{**options, "strict": False})

    torch.export.export = without_dynamo
    try:
        yield
    finally:
        torch.export.export = export


@contextmanager
def fused_for_training(wanted: Callable[[Node], bool]) -> Iterator[None]:
    """Let prepare_qat_pt2e fuse a convolution with its batch norm only where the convolution is `wanted`.

    It fuses every pair, also of layers that no quantizer annotated, and convert_pt2e then leaves those fused.
    """
    from torchao.quantization.pt2e import qat_utils

    def only_wanted(original: Callable[..., bool]) -> Callable[..., bool]:
        def matches(match: Any, *graphs: Any) -> bool:
            nodes = [node for node in match.nodes_map.values() if node is not None]
            convolutions = [node for node in nodes if qat_utils._is_conv_or_conv_transpose_node(node)]
            return all(map(wanted, convolutions)) and original(match, *graphs)

        return matches

    with ExitStack() as stack:
        for name in ("_has_conv_bias_filter", "_no_conv_bias_filter"):
            stack.enter_context(mock.patch.object(qat_utils, name, only_wanted(getattr(qat_utils, name))))
        yield

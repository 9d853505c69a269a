"""Integer kernels for the operators without weights: which ones an engine has for a group, and how they are called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgeship.targets.torchscript.affine import Affine, affine, bounds_left
from edgeship.targets.torchscript.engines import Engine, takes_average_pool, takes_sigmoid

if TYPE_CHECKING:
    from torch.fx import Graph, Node

SYMMETRIC_UNIT = (1 / 128, 128)
"""Scale and uint8 zero point of torch's quantized tanh."""
UNIT = (1 / 256, 0)
"""Those of its quantized hardsigmoid."""


@dataclass(frozen=True)
class Kernels:
    """Each method answers the node of one kernel that makes what `quantize` stores out of what `node` reads, or None.

    `reads` answers the quantized tensor behind a dequantize and the quantize that made it, or None.
    """

    graph: Graph
    engine: Engine
    reads: Callable[[Any], tuple[Node, Node] | None]

    def find(self, node: Any, quantize: Node) -> Node | None:
        """The first that fits."""
        for make in (self.binary, self.concatenate, self.pointwise, self.fixed, self.passing):
            made = make(node, quantize)
            if made is not None:
                return made
        return None

    def binary(self, node: Node, quantize: Node) -> Node | None:
        """add and mul; the operand that has the answer's shape comes first: the kernels allocate like it."""
        import torch

        aten = torch.ops.aten
        kinds = {
            aten.add.Tensor: torch.ops.quantized.add.default,
            aten.add_.Tensor: torch.ops.quantized.add.default,
            aten.mul.Tensor: torch.ops.quantized.mul.default,
            aten.mul_.Tensor: torch.ops.quantized.mul.default,
        }
        if getattr(node, "target", None) not in kinds or len(node.users) != 1 or node.kwargs:
            return None
        full = [operand for operand in node.args[:2] if _shape(operand) == _shape(node)]
        sources = [self.reads(operand) for operand in node.args[:2]]
        if not full or None in sources:
            return None
        tensors = [source[0] for source in sources if source is not None]
        if full[0] is not node.args[0]:
            tensors.reverse()
        return self.graph.call_function(kinds[node.target], (*tensors, *affine(quantize)))  # type: ignore[index]

    def concatenate(self, node: Node, quantize: Node) -> Node | None:
        """cat, which requantizes each part."""
        import torch

        if getattr(node, "target", None) is not torch.ops.aten.cat.default or len(node.users) != 1:
            return None
        parts = [self.reads(part) for part in node.args[0]]  # type: ignore[union-attr]
        if None in parts:
            return None
        dim = node.args[1] if len(node.args) > 1 else 0
        tensors = [part[0] for part in parts if part is not None]
        return self.graph.call_function(torch.ops.quantized.cat.default, (tensors, dim, *affine(quantize)))

    def pointwise(self, node: Node, quantize: Node) -> Node | None:
        """Kernels with an output scale of their own."""
        import torch

        aten, quantized = torch.ops.aten, torch.ops.quantized
        kinds = {
            aten.hardswish.default: quantized.hardswish.default,
            aten.hardswish_.default: quantized.hardswish.default,
            aten.sigmoid.default: quantized.sigmoid.default,
            aten.leaky_relu.default: quantized.leaky_relu.default,
            aten.leaky_relu_.default: quantized.leaky_relu.default,
        }
        source = self.only(node, kinds)
        if source is None:
            return None
        scale, zero = affine(quantize)
        kernel = kinds[node.target]  # type: ignore[index]
        if kernel is quantized.sigmoid.default and not takes_sigmoid(self.engine, scale, zero):
            return None
        if kernel is quantized.leaky_relu.default:
            slope = node.args[1] if len(node.args) > 1 else 0.01
            return self.graph.call_function(kernel, (source, slope, False, scale, zero))
        return self.graph.call_function(kernel, (source, scale, zero))

    def fixed(self, node: Node, quantize: Node) -> Node | None:
        """Kernels that answer with one scale and zero point always."""
        import torch

        aten = torch.ops.aten
        kinds: dict[Any, Affine] = {aten.tanh.default: SYMMETRIC_UNIT, aten.hardsigmoid.default: UNIT}
        source = self.only(node, kinds)
        if source is None or kinds[node.target] != affine(quantize):
            return None
        return self.graph.call_function(node.target, (source,))  # type: ignore[arg-type]

    def passing(self, node: Node, quantize: Node) -> Node | None:
        """Operators that keep scale and zero point: only where the program keeps them, too."""
        import torch

        aten = torch.ops.aten
        kinds = {
            aten.max_pool2d.default, aten.adaptive_avg_pool2d.default, aten.avg_pool2d.default, aten.mean.dim,
            aten.flatten.using_ints, aten.view.default, aten.reshape.default, aten.permute.default,
            aten.transpose.int, aten.squeeze.dim, aten.unsqueeze.default, aten.clone.default,
            aten.contiguous.default, aten.slice.Tensor, aten.select.int, aten.dropout.default,
        }  # fmt: skip
        if getattr(node, "target", None) not in kinds:
            return None
        read = self.reads(node.args[0])
        if read is None or affine(read[1]) != affine(quantize):
            return None
        source = read[0]
        if node.target is aten.dropout.default:
            return source
        if node.target is aten.avg_pool2d.default and not takes_average_pool(self.engine, *_padding(node)):
            return None
        return self.graph.call_function(node.target, (source, *node.args[1:]), dict(node.kwargs))  # type: ignore[arg-type]

    def bounded(self, made: Node, clamp: tuple[float, float], quantize: Node) -> Node:
        """`made` within the bounds, where uint8 at this scale leaves one of them open."""
        import torch

        aten = torch.ops.aten
        left = bounds_left(clamp, quantize)
        if left == (None, None):
            return made
        if left == (0, None):
            return self.graph.call_function(aten.relu.default, (made,))
        if self.engine == "qnnpack":  # its clamp mixes the pixels of a channels-last tensor up (torch 2.14)
            made = self.graph.call_function(aten.contiguous.default, (made,))
        return self.graph.call_function(aten.hardtanh.default, (made, *clamp))

    def only(self, node: Node, kinds: Any) -> Node | None:
        """The quantized tensor that an operator of these kinds reads, if one node alone reads the operator."""
        if getattr(node, "target", None) not in kinds or len(node.users) != 1:
            return None
        read = self.reads(node.args[0])
        return read[0] if read is not None else None


def _shape(node: Any) -> Any:
    return node.meta["val"].shape if hasattr(node, "meta") else None


def _padding(pool: Node) -> tuple[bool, bool]:
    """Whether an average pooling pads, and whether what is padded counts."""
    window = (*pool.args, *(None,) * 6)
    padding = window[3] or 0
    padded = any(padding) if isinstance(padding, list | tuple) else bool(padding)
    return padded, window[5] is not False

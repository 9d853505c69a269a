"""The stored int8 program in torch's own quantized operators: same weights, same scales, integer arithmetic.

A PT2E program says `dequantize → convolution → quantize`; traced as it is, it computes in float. Here every such
group whose parts an engine has an integer kernel for becomes that kernel; what is left computes in float between
`dequantize` and `quantize`. Activations move from int8 to uint8 (zero point + 128, the same real values), which is
what torch's kernels take.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from edgeship.targets.torchscript.affine import affine, bounds_of
from edgeship.targets.torchscript.engines import Engine, takes_convolution
from edgeship.targets.torchscript.kernels import Kernels
from edgeship.targets.torchscript.quantized import conv, linear, packed_linear

if TYPE_CHECKING:
    import torch
    from torch.fx import GraphModule, Node


def to_integer_kernels(module: GraphModule, engine: Engine) -> int:
    """Rewrite a folded PT2E module in place for an engine; returns how many operators compute in integers now."""
    rewrite = _Rewrite(module, engine)
    for node in list(module.graph.nodes):
        rewrite.visit(node)
    return rewrite.finish()


class _Rewrite:
    def __init__(self, module: GraphModule, engine: Engine) -> None:
        import torch

        self.module = module
        self.graph = module.graph
        self.engine: Engine = engine
        self.kernels = Kernels(module.graph, engine, self.reads)
        self.aten = torch.ops.aten
        self.stored: dict[Node, Node] = {}  # a quantize → the quantized tensor that takes its place
        self.dequantized: dict[Node, Node] = {}  # a dequantize → the quantize it reads
        self.count = 0
        decomposed = torch.ops.quantized_decomposed
        self.quantize = decomposed.quantize_per_tensor.default
        self.quantize_dynamic = decomposed.quantize_per_tensor.tensor
        self.dequantize = decomposed.dequantize_per_tensor.default
        self.dequantize_dynamic = decomposed.dequantize_per_tensor.tensor
        self.dequantize_channels = decomposed.dequantize_per_channel.default

    def visit(self, node: Node) -> None:
        if node.target is self.quantize and node.args[5] in _int8():
            with self.graph.inserting_before(node):
                self.stored[node] = self.integer_producer(node) or self.from_float(node)
        elif node.target is self.dequantize and node.args[0] in self.stored:
            self.dequantized[node] = node.args[0]  # type: ignore[assignment]
            with self.graph.inserting_before(node):
                value = self.graph.call_function(self.aten.dequantize.self, (self.stored[node.args[0]],))  # type: ignore[index]
            node.replace_all_uses_with(value, propagate_meta=True)
            self.dequantized[value] = node.args[0]  # type: ignore[assignment]
        elif node.target is self.aten.linear.default:
            self.dynamic_linear(node)

    def finish(self) -> int:
        self.graph.eliminate_dead_code()
        self.module.delete_all_unused_submodules()
        self.module.recompile()
        return self.count

    def from_float(self, quantize: Node) -> Node:
        import torch

        scale, zero = affine(quantize)
        return self.graph.call_function(
            self.aten.quantize_per_tensor.default, (quantize.args[0], scale, zero, torch.quint8)
        )

    def integer_producer(self, quantize: Node) -> Node | None:
        """The integer kernel that makes what `quantize` stores, or None where torch has none."""
        last: Any = quantize.args[0]
        bounds = bounds_of(last)
        source = last if bounds is None else last.args[0]
        made = None
        if bounds is None or len(source.users) == 1:
            made = self.layer(source, quantize) or self.kernels.find(source, quantize)
        if made is None and bounds is not None and (read := self.reads(source)) is not None:
            made = read[0] if affine(read[1]) == affine(quantize) else None
        if made is None:
            return None
        self.count += 1
        return made if bounds is None else self.kernels.bounded(made, bounds, quantize)

    def reads(self, node: Any) -> tuple[Node, Node] | None:
        """The quantized tensor behind a dequantize, and the quantize that it takes the place of."""
        quantize = self.dequantized.get(node)
        return None if quantize is None else (self.stored[quantize], quantize)

    def layer(self, node: Any, quantize: Node) -> Node | None:
        """A linear or a convolution; the groups are the seventh argument of a transposed one, too."""
        convolutions = {self.aten.conv1d.default: 1, self.aten.conv2d.default: 2, self.aten.conv3d.default: 3}
        transposed = {self.aten.conv_transpose1d.default: 1, self.aten.conv_transpose2d.input: 2}
        kinds: dict[Any, int] = {self.aten.linear.default: 0, **convolutions, **transposed}
        dims = kinds.get(getattr(node, "target", None))
        if dims is None or len(node.users) != 1:
            return None
        is_transposed, groups = node.target in transposed, node.args[6] if len(node.args) > 6 else 1
        if not takes_convolution(self.engine, dims, is_transposed, groups):
            return None
        source, weight = self.reads(node.args[0]), self.weight(node.args[1], axis=int(is_transposed))
        if source is None or weight is None:
            return None
        bias = self.constant(node.args[2]) if len(node.args) > 2 and node.args[2] is not None else None
        layer = conv(node, weight, bias, is_transposed) if dims else linear(weight, bias)
        layer.scale, layer.zero_point = affine(quantize)
        return self.call(layer, node.name, source[0])

    def dynamic_linear(self, node: Node) -> None:
        """dequantize(quantize at run time) → linear becomes one kernel that reads the float tensor."""
        import torch

        read = node.args[0]
        if getattr(read, "target", None) is not self.dequantize_dynamic:
            return
        quantize = read.args[0]  # type: ignore[union-attr]
        weight = self.weight(node.args[1])
        if weight is None or quantize.target is not self.quantize_dynamic:  # type: ignore[union-attr]
            return
        bias = self.constant(node.args[2]) if len(node.args) > 2 and node.args[2] is not None else None
        with self.graph.inserting_before(node):
            packed = self.attribute(packed_linear(weight, bias), node.name)
            kernel = torch.ops.quantized.linear_dynamic.default
            # activations of 7 bits keep FBGEMM's 16-bit sums from saturating on processors without VNNI
            made = self.graph.call_function(kernel, (quantize.args[0], packed, self.engine == "x86"))  # type: ignore[union-attr]
        node.replace_all_uses_with(made, propagate_meta=True)
        self.count += 1

    def weight(self, node: Any, axis: int = 0) -> torch.Tensor | None:
        """The quantized weight tensor behind `dequantize_per_channel`."""
        from edgeship.targets.torchscript.upstream import per_channel_tensor

        if getattr(node, "target", None) is not self.dequantize_channels or node.args[3] != axis:
            return None
        values, scales = self.constant(node.args[0]), self.constant(node.args[1])
        if values is None or scales is None or not _all_zero(self.constant(node.args[2])):
            return None
        return per_channel_tensor(values, scales, axis)

    def constant(self, node: Any) -> torch.Tensor | None:
        if getattr(node, "op", None) != "get_attr":
            return None
        value: torch.Tensor = operator.attrgetter(node.target)(self.module)
        return value.detach()

    def attribute(self, layer: torch.nn.Module, name: str) -> Node:
        """The packed weight of a layer, as a node."""
        self.module.add_submodule(f"integer_{name}", layer)
        return self.graph.create_node("get_attr", f"integer_{name}._packed_params")

    def call(self, layer: torch.nn.Module, name: str, source: Any) -> Node:
        self.module.add_submodule(f"integer_{name}", layer)
        return self.graph.call_module(f"integer_{name}", (source,))


def _int8() -> tuple[torch.dtype, ...]:
    import torch

    return (torch.int8, torch.uint8)


def _all_zero(zeros: torch.Tensor | None) -> bool:
    return zeros is None or not bool(zeros.any())

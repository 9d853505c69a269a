"""The stored int8 program in torch's own quantized operators: same weights, same scales, integer arithmetic.

A PT2E program says `dequantize → convolution → quantize`; traced as it is, it computes in float. Here every such
group whose parts torch has an integer kernel for becomes that kernel; what is left computes in float between
`dequantize` and `quantize`. Activations move from int8 to uint8 (zero point + 128, the same real values), which is
what torch's kernels take.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from edgeship.targets.torchscript.affine import affine, clamp_of, is_implied
from edgeship.targets.torchscript.quantized import conv, linear, packed_linear

if TYPE_CHECKING:
    import torch
    from torch.fx import GraphModule, Node


def to_integer_kernels(module: GraphModule, reduce_range: bool = False) -> int:
    """Rewrite a folded PT2E module in place; returns how many operators compute in integers now.

    `reduce_range` keeps activations that are quantized at run time to 7 bits, which x86 without VNNI needs.
    """
    rewrite = _Rewrite(module, reduce_range)
    for node in list(module.graph.nodes):
        rewrite.visit(node)
    return rewrite.finish()


class _Rewrite:
    def __init__(self, module: GraphModule, reduce_range: bool) -> None:
        import torch

        self.reduce_range = reduce_range

        self.module = module
        self.graph = module.graph
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
        clamp = clamp_of(last)
        core = last.args[0] if clamp else last
        for make in (self.layer, self.binary, self.concatenate, self.pointwise, self.passing):
            made = make(core, quantize)
            if made is not None:
                break
        else:
            if clamp is None:
                return None
            made, clamp = self.passing(last, quantize), None
            if made is None:
                return None
        self.count += 1
        if clamp is not None and not is_implied(clamp, quantize):
            made = self.graph.call_function(self.aten.hardtanh.default, (made, *clamp))
        return made

    def reads(self, node: Any) -> Node | None:
        """The quantized tensor behind a dequantize."""
        return self.stored[self.dequantized[node]] if node in self.dequantized else None

    def layer(self, node: Node, quantize: Node) -> Node | None:
        aten = self.aten
        kinds = {aten.conv1d.default: 1, aten.conv2d.default: 2, aten.linear.default: 0}
        if node.target not in kinds or len(node.users) != 1:
            return None
        source, weight = self.reads(node.args[0]), self.weight(node.args[1])
        if source is None or weight is None:
            return None
        scale, zero = affine(quantize)
        bias = self.constant(node.args[2]) if len(node.args) > 2 and node.args[2] is not None else None
        layer = conv(node, weight, bias) if kinds[node.target] else linear(weight, bias)
        layer.scale, layer.zero_point = scale, zero
        return self.call(layer, node.name, source)

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
            made = self.graph.call_function(kernel, (quantize.args[0], packed, self.reduce_range))  # type: ignore[union-attr]
        node.replace_all_uses_with(made, propagate_meta=True)
        self.count += 1

    def binary(self, node: Node, quantize: Node) -> Node | None:
        import torch

        aten = self.aten
        kinds = {
            aten.add.Tensor: torch.ops.quantized.add.default,
            aten.add_.Tensor: torch.ops.quantized.add.default,
            aten.mul.Tensor: torch.ops.quantized.mul.default,
            aten.mul_.Tensor: torch.ops.quantized.mul.default,
        }
        if node.target not in kinds or len(node.users) != 1 or node.kwargs:
            return None
        left, right = self.reads(node.args[0]), self.reads(node.args[1])
        if left is None or right is None or not _same_shape(node.args[0], node.args[1]):
            return None
        return self.graph.call_function(kinds[node.target], (left, right, *affine(quantize)))

    def concatenate(self, node: Node, quantize: Node) -> Node | None:
        import torch

        if node.target is not self.aten.cat.default or len(node.users) != 1:
            return None
        parts = [self.reads(part) for part in node.args[0]]  # type: ignore[union-attr]
        if None in parts:
            return None
        dim = node.args[1] if len(node.args) > 1 else 0
        return self.graph.call_function(torch.ops.quantized.cat.default, (parts, dim, *affine(quantize)))

    def pointwise(self, node: Node, quantize: Node) -> Node | None:
        """Kernels with an output scale of their own."""
        import torch

        aten = self.aten
        kinds = {
            aten.hardswish.default: torch.ops.quantized.hardswish.default,
            aten.hardswish_.default: torch.ops.quantized.hardswish.default,
            aten.sigmoid.default: torch.ops.quantized.sigmoid.default,
            aten.leaky_relu.default: torch.ops.quantized.leaky_relu.default,
        }
        if node.target not in kinds or len(node.users) != 1:
            return None
        source = self.reads(node.args[0])
        if source is None:
            return None
        scale, zero = affine(quantize)
        if node.target is aten.leaky_relu.default:
            slope = node.args[1] if len(node.args) > 1 else 0.01
            return self.graph.call_function(kinds[node.target], (source, slope, False, scale, zero))
        return self.graph.call_function(kinds[node.target], (source, scale, zero))

    def passing(self, node: Node, quantize: Node) -> Node | None:
        """Operators that keep scale and zero point: only where the program keeps them, too."""
        aten = self.aten
        kinds = {
            aten.max_pool2d.default, aten.adaptive_avg_pool2d.default, aten.avg_pool2d.default, aten.mean.dim,
            aten.relu.default, aten.hardtanh.default, aten.flatten.using_ints, aten.view.default,
            aten.reshape.default, aten.permute.default, aten.transpose.int, aten.squeeze.dim, aten.unsqueeze.default,
            aten.clone.default, aten.contiguous.default, aten.slice.Tensor, aten.select.int, aten.dropout.default,
        }  # fmt: skip
        if getattr(node, "target", None) not in kinds:
            return None
        source = self.reads(node.args[0])
        if source is None or affine(self.dequantized[node.args[0]]) != affine(quantize):  # type: ignore[index]
            return None
        if node.target is aten.dropout.default:
            return source
        return self.graph.call_function(node.target, (source, *node.args[1:]), dict(node.kwargs))  # type: ignore[arg-type]

    def weight(self, node: Any) -> torch.Tensor | None:
        """The quantized weight tensor behind `dequantize_per_channel`."""
        from edgeship.targets.torchscript.upstream import per_channel_tensor

        if getattr(node, "target", None) is not self.dequantize_channels:
            return None
        values, scales, axis = self.constant(node.args[0]), self.constant(node.args[1]), node.args[3]
        if values is None or scales is None or axis != 0 or not _all_zero(self.constant(node.args[2])):
            return None
        return per_channel_tensor(values, scales, 0)

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


def _same_shape(left: Any, right: Any) -> bool:
    return bool(left.meta["val"].shape == right.meta["val"].shape)

"""The stored int8 program in torch's own quantized operators: same weights, same scales, integer arithmetic.

A PT2E program says `dequantize → convolution → quantize`; traced as it is, it computes in float. Here every such
group whose parts torch has an integer kernel for becomes that kernel; what is left computes in float between
`dequantize` and `quantize`. Activations move from int8 to uint8 (zero point + 128, the same real values), which is
what torch's kernels take.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram
    from torch.fx import GraphModule, Node

Affine = tuple[float, int]
"""Scale and uint8 zero point."""


def plain_module(program: ExportedProgram) -> GraphModule:
    """The program as a module that torch.jit records: positional tensors in, a tuple out, always the same name."""
    from torch.fx import Graph, GraphModule

    module = program.module(check_guards=False)
    graph = Graph()
    outputs = graph.graph_copy(module.graph, {})
    graph.output(tuple(outputs) if isinstance(outputs, list | tuple) else (outputs,))
    for old, new in zip(module.graph.nodes, graph.nodes, strict=True):
        new.meta = old.meta
    plain = GraphModule(module, graph, class_name="Model")
    type(plain).__module__ = "edgeship"
    for part in plain.modules():
        part.training = False  # a program is in eval mode by construction, and has no eval()
    return plain


def name_packets(module: GraphModule) -> None:
    """Call operators by name without their overload, which torch.jit.script chooses itself."""
    import torch

    for node in module.graph.nodes:
        if isinstance(node.target, torch._ops.OpOverload):
            node.target = node.target.overloadpacket
    module.recompile()


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
        clamp = self.clamp(last)
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
        if clamp is not None and not self.implied(clamp, quantize):
            made = self.graph.call_function(self.aten.hardtanh.default, (made, *clamp))
        return made

    def clamp(self, node: Any) -> tuple[float, float] | None:
        """The bounds of a ReLU or ReLU6 that alone reads its input."""
        aten = self.aten
        if getattr(node, "target", None) in (aten.relu.default, aten.relu_.default):
            bounds = (0.0, float("inf"))
        elif getattr(node, "target", None) in (aten.hardtanh.default, aten.hardtanh_.default):
            low, high = (*node.args[1:], -1.0, 1.0)[:2] if len(node.args) < 3 else node.args[1:3]
            bounds = (float(low), float(high))
        else:
            return None
        return bounds if len(node.args[0].users) == 1 else None

    def implied(self, clamp: tuple[float, float], quantize: Node) -> bool:
        """Whether uint8 at this scale cannot leave the bounds by half a step."""
        scale, zero = affine(quantize)
        low, high = (0 - zero) * scale, (255 - zero) * scale
        return low >= clamp[0] - scale / 2 and high <= clamp[1] + scale / 2

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
        layer = _conv(node, weight, bias) if kinds[node.target] else _linear(weight, bias)
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
            packed = self.attribute(_packed_linear(weight, bias), node.name)
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


def affine(quantize: Node) -> Affine:
    """Scale and zero point of a quantize node, moved from int8 to uint8."""
    import torch

    offset = 128 if quantize.args[5] is torch.int8 else 0
    return float(quantize.args[1]), int(quantize.args[2]) + offset  # type: ignore[arg-type]


def _int8() -> tuple[torch.dtype, ...]:
    import torch

    return (torch.int8, torch.uint8)


def _all_zero(zeros: torch.Tensor | None) -> bool:
    return zeros is None or not bool(zeros.any())


def _same_shape(left: Any, right: Any) -> bool:
    return bool(left.meta["val"].shape == right.meta["val"].shape)


def _conv(node: Node, weight: torch.Tensor, bias: torch.Tensor | None) -> Any:
    from torch.ao.nn import quantized

    dims = weight.dim() - 2
    given: list[Any] = list(node.args[3:])
    stride, padding, dilation, groups = given + [[1] * dims, [0] * dims, [1] * dims, 1][len(given) :]
    kind: Any = quantized.Conv1d if dims == 1 else quantized.Conv2d
    layer = kind(
        weight.shape[1] * groups,
        weight.shape[0],
        tuple(weight.shape[2:]),
        stride=_tuple(stride, dims),
        padding=_tuple(padding, dims),
        dilation=_tuple(dilation, dims),
        groups=groups,
        bias=bias is not None,
    )
    layer.set_weight_bias(weight, bias)
    return layer


def _tuple(value: Any, dims: int) -> tuple[int, ...]:
    items = tuple(value) if isinstance(value, list | tuple) else (value,)
    return items * dims if len(items) == 1 else items


def _linear(weight: torch.Tensor, bias: torch.Tensor | None) -> Any:
    from torch.ao.nn import quantized

    layer: Any = quantized.Linear(weight.shape[1], weight.shape[0], bias_=bias is not None)  # type: ignore[no-untyped-call]
    layer.set_weight_bias(weight, bias)
    return layer


def _packed_linear(weight: torch.Tensor, bias: torch.Tensor | None) -> Any:
    from torch.ao.nn.quantized.modules.linear import LinearPackedParams

    packed: Any = LinearPackedParams()  # type: ignore[no-untyped-call]
    packed.set_weight_bias(weight, bias)
    return packed

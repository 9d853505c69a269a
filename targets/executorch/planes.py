"""Pooling over a line, and averages over lines and images, as XNNPACK takes them: over height and width, both kept.

Otherwise ExecuTorch leaves them to portable kernels: 0.76 instead of 0.12 ms for a small network of 1-D convolutions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeship.toolchain.api import Context, export

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.fx import GraphModule, Node

QUANTIZE, DEQUANTIZE = (f"quantized_decomposed.{name}_per_tensor.default" for name in ("quantize", "dequantize"))


def with_planes(program: ExportedProgram, context: Context) -> ExportedProgram:
    """The program with every such operator written so, in float and in integers."""
    module = program.module()
    return export(module, context.example, context.signature) if pool_in_planes(module) else program


def pool_in_planes(module: GraphModule) -> int:
    """The same for a module, in place; returns how many were written. Sizes must be fixed."""
    import torch

    aten = torch.ops.aten
    written = 0
    for node in list(module.graph.nodes):
        if node.target not in (aten.max_pool1d.default, aten.mean.dim) or node.kwargs:
            continue
        before, after = (list(value.meta["val"].shape) for value in (node.args[0], node))
        if not all(isinstance(size, int) for size in (*before, *after)):
            continue
        with module.graph.inserting_before(node):
            new = _pool(node, before, after) if node.target is aten.max_pool1d.default else _mean(node, before, after)
        if new is not None:
            new.meta = dict(node.meta)
            node.replace_all_uses_with(new)
            module.graph.erase_node(node)
            written += 1
    if written:
        module.recompile()
    return written


def _pool(node: Node, before: list[int], after: list[int]) -> Node:
    import torch

    options: list[Any] = list(node.args[1:])
    options += [[], 0, 1, False][len(options) - 1 :]
    kernel, stride, padding, dilation, ceil = options
    plane = [[1, *_one(kernel)], [1, *_one(stride or kernel)], [0, *_one(padding)], [1, *_one(dilation)], ceil]
    image = _reshape(node, node.args[0], [*before[:-1], 1, before[-1]], _read(node))
    pooled = node.graph.call_function(torch.ops.aten.max_pool2d.default, (image, *plane))
    return _reshape(node, _again(node, pooled, _stored(node)), after, None)


def _mean(node: Node, before: list[int], after: list[int]) -> Node | None:
    import torch

    value, axes, *keep = node.args
    over = {axis % len(before) for axis in axes}  # type: ignore[union-attr, operator]
    if len(before) not in (3, 4) or over != set(range(2, len(before))) or (len(before) == 4 and any(keep)):
        return None
    image = value if len(before) == 4 else _reshape(node, value, [*before[:2], 1, before[2]], _read(node))
    mean = node.graph.call_function(torch.ops.aten.mean.dim, (image, [-1, -2], True))
    return _reshape(node, _again(node, mean, _stored(node)), after, None)


def _read(node: Node) -> tuple[Any, ...] | None:
    """Scale, zero point and bounds of what the operator takes, where it works on integers."""
    value: Any = node.args[0]
    return value.args[1:] if str(value.target) == DEQUANTIZE and _stored(node) else None


def _stored(node: Node) -> tuple[Any, ...] | None:
    """The same of what it answers."""
    users, value = list(node.users), node.args[0]
    integers = len(users) == 1 and str(users[0].target) == QUANTIZE and str(value.target) == DEQUANTIZE  # type: ignore[union-attr]
    return users[0].args[1:] if integers else None


def _reshape(node: Node, value: Any, shape: list[int], parameters: tuple[Any, ...] | None) -> Node:
    import torch

    return _again(node, node.graph.call_function(torch.ops.aten.reshape.default, (value, shape)), parameters)


def _again(node: Node, value: Node, parameters: tuple[Any, ...] | None) -> Node:
    """The value quantized and read back; as it is where there are no parameters."""
    import torch

    decomposed = torch.ops.quantized_decomposed
    if parameters is None:
        return value
    stored = node.graph.call_function(decomposed.quantize_per_tensor.default, (value, *parameters))
    return node.graph.call_function(decomposed.dequantize_per_tensor.default, (stored, *parameters))


def _one(size: Any) -> list[int]:
    return list(size) if isinstance(size, list | tuple) else [size]

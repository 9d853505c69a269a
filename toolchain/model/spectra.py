"""Fourier transforms in real numbers: no runtime for phones has complex ones.

A transform is a product with its matrix of cosines and sines, a complex value the pair of its parts. What is done with
such a value is done with both parts; where an operator has no such form, the whole program stays complex.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch.fx import GraphModule, Node

Pair = tuple["Node", "Node"]
"""Nodes of the real and the imaginary part."""


def without_complex_numbers(module: GraphModule) -> bool:
    """Rewrite in place; whether anything changed. The new nodes have no example values: export the module again."""
    nodes = [node for node in module.graph.nodes if _is_complex(node) or any(map(_is_complex, node.all_input_nodes))]
    if not nodes or not all(_has_form(node) for node in nodes):
        return False
    pairs: dict[Node, Pair] = {}
    for node in nodes:
        before = node.prev
        with module.graph.inserting_before(node):
            made = _Real(module, node, pairs)()
        new = before.next
        while new is not node:  # they belong to the layer that the operator belonged to
            new.meta |= {key: node.meta[key] for key in ("nn_module_stack", "stack_trace") if key in node.meta}
            new = new.next
        if isinstance(made, tuple):
            pairs[node] = made
        else:
            node.replace_all_uses_with(made)
    for node in reversed(nodes):
        module.graph.erase_node(node)
    return True


def _is_complex(node: Node) -> bool:
    dtype = getattr(node.meta.get("val"), "dtype", None)
    return dtype is not None and dtype.is_complex


def _forms() -> dict[Any, Callable[[_Real], Node | Pair]]:
    import torch

    aten = torch.ops.aten
    moves = [
        *(aten.transpose.int, aten.permute.default, aten.slice.Tensor, aten.select.int, aten.unsqueeze.default),
        *(aten.squeeze.dim, aten.view.default, aten.reshape.default, aten.contiguous.default, aten.clone.default),
        *(aten.mT.default, aten.mean.dim, aten.sum.dim_IntList, aten.neg.default),
    ]
    return {
        aten.stft.default: _Real.stft,
        aten.fft_rfft.default: _Real.rfft,
        aten.abs.default: _Real.abs,
        aten.angle.default: _Real.angle,
        aten.view_as_real.default: _Real.view_as_real,
        aten.real.default: lambda real: real.part(0),
        aten.imag.default: lambda real: real.part(1),
        aten.mul.Tensor: _Real.mul,
        **dict.fromkeys(moves, _Real.moved),
    }


def _has_form(node: Node) -> bool:
    import torch

    aten = torch.ops.aten
    if node.target is aten.stft.default:
        x, length, _, window_length, window, normalized, onesided = (*node.args, *[None] * 7)[:7]
        static = all(isinstance(size, int) for size in x.meta["val"].shape)  # type: ignore[union-attr]
        whole = window_length in (None, length) and (window is None or window.op == "get_attr")  # type: ignore[union-attr]
        return static and whole and not normalized and onesided is not False
    if node.target is aten.fft_rfft.default:
        return len(node.args) == 1 and isinstance(node.args[0].meta["val"].shape[-1], int)  # type: ignore[union-attr]
    return node.target in _forms()


class _Real:
    """One operator on complex values, in real ones."""

    def __init__(self, module: GraphModule, node: Node, pairs: dict[Node, Pair]) -> None:
        self.module, self.node, self.pairs = module, node, pairs

    def __call__(self) -> Node | Pair:
        return _forms()[self.node.target](self)

    def stft(self) -> Pair:
        """[…, samples] → parts [frequencies, frames], a batch before them where there was one."""
        import torch

        aten = torch.ops.aten
        args: Any = self.node.args
        x, length = args[:2]
        hop, _, window = (*args[2:5], None, None, None)[:3]
        frames = self.call(aten.unfold.default, x, -1, length, hop or length // 4)
        weights = None if window is None else operator.attrgetter(str(window.target))(self.module)
        real, imaginary = self.transform(frames, length, weights)
        return self.call(aten.transpose.int, real, -1, -2), self.call(aten.transpose.int, imaginary, -1, -2)

    def rfft(self) -> Pair:
        """[…, samples] → parts […, frequencies]."""
        x: Any = self.node.args[0]
        return self.transform(x, x.meta["val"].shape[-1])

    def transform(self, x: Any, length: Any, window: torch.Tensor | None = None) -> Pair:
        """A window of [length] weighs the samples: it is part of the matrices."""
        import torch

        steps = torch.arange(length)[:, None] * torch.arange(length // 2 + 1) % length
        angles = steps.double() * (2 * math.pi / length)
        weights = torch.ones(length, 1) if window is None else window.detach()[:, None]
        cosines = self.constant("cosines", (weights * torch.cos(angles)).float())
        sines = self.constant("sines", (weights * -torch.sin(angles)).float())
        matmul = torch.ops.aten.matmul.default
        return self.call(matmul, x, cosines), self.call(matmul, x, sines)

    def abs(self) -> Node:
        import torch

        aten = torch.ops.aten
        # one sum, no addition: quantizers take those
        squares = self.call(aten.pow.Tensor_Scalar, self.view_as_real(), 2)
        return self.call(aten.sqrt.default, self.call(aten.sum.dim_IntList, squares, [-1]))

    def angle(self) -> Node:
        import torch

        return self.call(torch.ops.aten.atan2.default, self.part(1), self.part(0))

    def view_as_real(self) -> Node:
        import torch

        return self.call(torch.ops.aten.stack.default, [self.part(0), self.part(1)], -1)

    def mul(self) -> Pair:
        import torch

        aten = torch.ops.aten
        first, second = (self.pairs.get(arg) if isinstance(arg, torch.fx.Node) else None for arg in self.node.args)
        if first and second:
            (a, b), (c, d) = first, second
            products = {(x, y): self.call(aten.mul.Tensor, x, y) for x in (a, b) for y in (c, d)}
            real = self.call(aten.sub.Tensor, products[a, c], products[b, d])
            return real, self.call(aten.add.Tensor, products[a, d], products[b, c])
        pair, factor = (first, self.node.args[1]) if first else (second, self.node.args[0])
        assert pair is not None
        return self.call(aten.mul.Tensor, pair[0], factor), self.call(aten.mul.Tensor, pair[1], factor)

    def moved(self) -> Pair:
        """The same operator on both parts."""
        real, imaginary = self.pairs[self.node.args[0]]  # type: ignore[index]
        return (
            self.call(self.node.target, real, *self.node.args[1:], **self.node.kwargs),
            self.call(self.node.target, imaginary, *self.node.args[1:], **self.node.kwargs),
        )

    def part(self, index: int) -> Node:
        return self.pairs[self.node.args[0]][index]  # type: ignore[index]

    def call(self, target: Any, *args: Any, **kwargs: Any) -> Node:
        made: Node = self.module.graph.call_function(target, args, kwargs)
        return made

    def constant(self, name: str, value: torch.Tensor) -> Node:
        attribute = f"{self.node.name}_{name}"
        self.module.register_buffer(attribute, value)
        made: Node = self.module.graph.get_attr(attribute)
        return made

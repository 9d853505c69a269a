"""The constants that a file made from a program must hold: weights, biases, grids and floats, by layer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeship.toolchain.inventory import Affine
from edgeship.toolchain.model.evaluated import Values
from edgeship.toolchain.model.expected import Constants, Floats, Layer
from edgeship.toolchain.model.folds import BATCH_NORMS, absorbed, folds, inverse_deviation, scale_and_shift
from edgeship.toolchain.model.nodes import alive, array_of, is_graph, name_of, place_of
from edgeship.toolchain.model.settings import layer_settings, numbers
from edgeship.toolchain.samples import Array

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.fx import GraphModule, Node

LAYERS: dict[str, tuple[tuple[int, ...], int | None]] = {
    **{f"aten.{name}": ((1,), 2) for name in ("linear", "convolution")},
    **{f"aten.conv{rank}d": ((1,), 2) for rank in (1, 2, 3)},
    **{f"aten.conv_transpose{rank}d": ((1,), 2) for rank in (1, 2, 3)},
    **{f"aten.{name}": ((0, 1), None) for name in ("matmul", "mm", "bmm")},
    "aten.addmm": ((1, 2), 0),
    "aten.embedding": ((0,), None),
}
"""Operators with weights → where these may stand among the arguments, and where the bias does."""
VIEWS = (
    *("aten.permute", "aten.t", "aten.transpose", "aten.reshape", "aten.view", "aten.unsqueeze", "aten.squeeze"),
    *("aten.alias", "aten.contiguous", "aten.clone", "aten.detach", "aten.detach_", "aten.lift_fresh_copy"),
)
"""What leaves the numbers of a constant as they are."""


def constants_of(program: ExportedProgram) -> Constants:
    """Read a stored program, folded or not: nothing of it is executed but what has only constant inputs."""
    signature = program.graph_signature
    names = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    names |= signature.inputs_to_lifted_tensor_constants
    state = {**program.state_dict, **program.constants}
    known = {node: state[names[node.name]] for node in program.graph.nodes if node.name in names}
    mutated = set(signature.buffers_to_mutate.values())
    reader = _Reader({node: value for node, value in known.items() if names[node.name] not in mutated})
    reader.graph(program.graph_module)
    return replace(reader.found, numbers=numbers(program))


FILLED = ("aten.zeros_like", "aten.ones_like", "aten.full_like")
"""What takes only the size of what it is given."""


class _Reader:
    def __init__(self, known: dict[Node, Any]) -> None:
        self.found = Constants()
        self.values = Values(known)
        self._seen: set[Any] = set()
        self._folded: set[Node] = set()

    def graph(self, module: GraphModule) -> None:
        """Every operator of a graph, branches included."""
        for node in alive(module):
            if node.op != "call_function" or self.values.is_constant(node):
                continue
            name = name_of(node)
            inner = [getattr(module, str(arg.target)) for arg in node.all_input_nodes if is_graph(module, arg)]
            if inner:
                self._enter(node, inner)
            elif name in ("quantized_decomposed.quantize_per_tensor", "quantized_decomposed.dequantize_per_tensor"):
                self._activation(node)
            elif node not in self._folded:
                self._operands(node, name)

    def _enter(self, node: Node, inner: list[GraphModule]) -> None:
        operands: Any = node.args[-1] if isinstance(node.args[-1], list | tuple) else node.args
        for module in inner:
            inputs = [each for each in module.graph.nodes if each.op == "placeholder"]
            for placeholder, arg in zip(reversed(inputs), reversed(operands), strict=False):
                if self.values.is_constant(arg):
                    self.values.enter(placeholder, arg)
            self.graph(module)

    def _activation(self, node: Node) -> None:
        scale, zero_point = node.args[1:3]
        if not isinstance(scale, float | int):
            return  # chosen at run time
        affine = Affine.of(scale, zero_point, str(node.args[5]) == "torch.uint8")
        if ("grid", affine.key) not in self._seen:
            self._seen.add(("grid", affine.key))
            self.found.activations.append((place_of(node), affine))

    def _sum(self, node: Node) -> None:
        """The grids of a sum of two dequantized operands."""
        grids = [self._stored(arg) for arg in node.args[:2]]
        result: Node | None = node
        while result is not None and not name_of(result).endswith("quantize_per_tensor"):
            result = next(iter(result.users)) if len(result.users) == 1 else None
        answer = self._stored(next(iter(result.users))) if result is not None and result.users else None
        for operand in grids:
            for grid in (*grids, answer) if operand is not None else ():
                if grid is not None and operand is not None:
                    scale = grid.scale.astype(np.float64) / operand.scale.astype(np.float64)
                    self.found.rescaled.append((grid, Affine(scale, grid.zero_point)))

    def _operands(self, node: Node, name: str) -> None:
        """The constants that an operator reads: as a layer where it is one, else as floats."""
        if name in ("aten.add", "aten.add_", "aten.sub", "aten.sub_"):
            self._sum(node)
        weights, bias_at = LAYERS.get(name, ((), None))
        taken: set[Node] = set()
        for index in weights:
            weight: Any = node.args[index] if index < len(node.args) else None
            if self.values.is_constant(weight):
                bias: Any = node.args[bias_at] if bias_at is not None and bias_at < len(node.args) else None
                self._layer(node, weight, bias if self.values.is_constant(bias) else None, node.args[0 if index else 1])
                taken |= {weight, bias}
        rest = [arg for arg in node.all_input_nodes if arg not in taken and self.values.is_constant(arg)]
        if name in BATCH_NORMS:
            self._batch_norm(node, rest)
            return
        for arg in rest:
            quantized = self._peeled(arg)
            if quantized[1] is not None:
                before = arg.all_input_nodes[0].all_input_nodes
                real = tuple(array_of(self.values.value(each)) for each in before[:1])
                self._add(Layer(place_of(node), *quantized, sources=(self._stored_floats(arg), real)))
            else:
                self._floats(node, arg)

    def _layer(self, node: Node, weight: Node, bias: Node | None, source: Any) -> None:
        values, grid = self._peeled(weight)
        added = None if bias is None else array_of(self.values.value(bias))
        given = node, values, added, self.values.value, self.values.is_constant
        follows, before = (folds(*given), absorbed(*given)) if values.dtype.kind == "f" else ((), ())
        self._folded |= {step.node for step in follows}
        given_by = layer_settings(node)
        # rows that are read at fixed places are a constant, whatever the table holds besides
        rows: Any = node.args[1]
        fixed = name_of(node) == "aten.embedding" and (self.values.is_constant(rows) or name_of(rows) in FILLED)
        layer = Layer(place_of(node), values, grid, added, None, self._stored(source), given_by, follows, before)
        self._add(replace(layer, required=not fixed))

    def _add(self, layer: Layer) -> None:
        if layer.values.dtype.kind in "iu" and layer.values.dtype.itemsize > 1:
            return  # positions and indices
        self.found.layers.append(layer)

    def _stored(self, source: Any) -> Affine | None:
        """How an activation is stored that is dequantized for a layer."""
        if (
            getattr(source, "op", "") != "call_function"
            or name_of(source) != "quantized_decomposed.dequantize_per_tensor"
        ):
            return None
        scale, zero_point = source.args[1:3]
        unsigned = str(source.args[5]) == "torch.uint8"
        return Affine.of(scale, zero_point, unsigned) if isinstance(scale, float | int) else None

    def _peeled(self, node: Node) -> tuple[Array, Affine | None]:
        """What is stored behind views, casts and dequantization, in whatever layout."""
        name = name_of(node)
        if self.values.is_known(node) or node.op != "call_function":
            return array_of(self.values.value(node)), None
        source: Any = node.args[0] if node.args else None
        if name == "quantized_decomposed.dequantize_per_tensor":
            return array_of(self.values.value(source)), Affine.of(node.args[1], node.args[2])
        if name.startswith("quantized_decomposed.dequantize_per_channel"):
            zeros: Any = node.args[2]
            scales = array_of(self.values.value(node.args[1]))
            return array_of(self.values.value(source)), Affine.of(
                scales, 0 if zeros is None else array_of(self.values.value(zeros))
            )
        if name in VIEWS:
            return self._peeled(source)
        if name in ("aten.to", "aten._to_copy") and self.values.value(source).dtype.itemsize <= 2:
            return self._peeled(source)
        return array_of(self.values.value(node)), None

    def _batch_norm(self, node: Node, rest: list[Node]) -> None:
        """One that follows no layer: its constants, the last as it is or inverted, or the product and sum."""
        scale, shift = scale_and_shift(node, self.values.value)
        raw = tuple(array_of(self.values.value(arg)) for arg in rest)
        step_by_step = (*raw[:-1], inverse_deviation(node, self.values.value))
        alternatives = (raw, (scale, shift), (scale, -shift / scale), (scale,), step_by_step)
        self.found.floats.append(Floats(place_of(node), alternatives))

    def _floats(self, node: Node, arg: Node) -> None:
        roots = self.values.roots(arg)
        value = self.values.value(arg)
        key = ("floats", arg)
        if not roots or key in self._seen or not getattr(value, "is_floating_point", lambda: False)():
            return
        self._seen.add(key)
        array = array_of(value)
        if array.size == 0 or ((array == array.flat[0]).all() and float(array.flat[0]) in (0.0, 1.0)):
            return  # may be optimized away
        for root in roots:
            if (integers := array_of(self.values.value(root))).dtype.kind in "iu":
                self._add(Layer(place_of(node), integers, required=False))
        raw = self._stored_floats(arg)
        factors = (*self._factors(arg, node), *self._sums(node))
        peeled, _ = self._peeled(arg)
        reals = array.astype(np.float64)
        with np.errstate(divide="ignore", over="ignore"):
            turned = ((-reals,), (1 / reals,))
        self.found.floats.append(Floats(place_of(node), ((peeled,), (array,), raw, *factors, *turned), node))

    def _factors(self, product: Node, reader: Node) -> tuple[tuple[Array, ...], ...]:
        """The float factors of a product of constants, whose integers are noted: rows of an integer table."""
        factors: list[Array] = []
        for factor in product.all_input_nodes if name_of(product) == "aten.mul" else ():
            if name_of(factor) in ("aten.to", "aten._to_copy"):
                self._add(
                    Layer(place_of(reader), array_of(self.values.value(factor.all_input_nodes[0])), required=False)
                )
            else:
                factors.append(array_of(self.values.value(factor)))
        return (tuple(factors),) if factors else ()

    def _sums(self, node: Node) -> tuple[tuple[Array, ...], ...]:
        """What the constants of sums that follow one upon the other add up to."""
        if not self._adds(node):
            return ()
        run: list[Any] = [node]
        while (before := self._summed(run[0].args[0])) is not None:
            run.insert(0, before)
        while (after := self._next_sum(run[-1])) is not None:
            run.append(after)
        terms = [_spread(term.astype(np.float64)) for each in run if (term := self._term(each)) is not None]
        most = max(term.ndim for term in terms)
        kept = {tuple(each.meta["val"].shape[len(each.meta["val"].shape) - most :]) for each in run}
        return ((np.asarray(sum(terms)),),) if len(run) > 1 and len(kept) == 1 else ()

    def _summed(self, source: Any) -> Any:
        """The sum that nobody else takes, as it is or in another shape."""
        while getattr(source, "op", "") == "call_function" and len(source.users) == 1:
            if self._adds(source):
                return source
            if name_of(source) not in ("aten.view", "aten.reshape"):
                return None
            source = source.args[0]
        return None

    def _next_sum(self, node: Any) -> Any:
        while len(node.users) == 1:
            node = next(iter(node.users))
            if self._adds(node):
                return node
            if name_of(node) not in ("aten.view", "aten.reshape"):
                return None
        return None

    def _adds(self, node: Any) -> bool:
        """Whether it adds a constant to what is none."""
        return self._term(node) is not None

    def _term(self, node: Any) -> Array | None:
        """The constant that a sum adds to what is none: also the one row of a table that is read everywhere."""
        if name_of(node) != "aten.add" or node.kwargs or self.values.is_constant(node.args[0]):
            return None
        added = node.args[1]
        if self.values.is_constant(added):
            return array_of(self.values.value(added))
        if name_of(added) != "aten.embedding" or not self.values.is_constant(added.args[0]):
            return None
        row = _filling(added.args[1])
        return None if row is None else array_of(self.values.value(added.args[0]))[int(row)]

    def _stored_floats(self, node: Node) -> tuple[Array, ...]:
        """The floats that a constant is computed from."""
        roots = sorted(self.values.roots(node), key=lambda root: root.name)
        return tuple(each for root in roots if (each := array_of(self.values.value(root))).dtype.kind == "f")


def _filling(node: Any) -> float | None:
    """The number that a tensor of some input's size is filled with; None where it is no such tensor."""
    name = name_of(node)
    if name not in FILLED:
        return None
    return node.args[1] if name == "aten.full_like" else float(name == "aten.ones_like")


def _spread(array: Array) -> Array:
    """Without the leading dimensions along which it is the same for all."""
    while array.ndim and array.shape[0] == 1:
        array = array[0]
    return array

"""GRU and LSTM unrolled over a known number of steps, in as few operators as give the same numbers.

Runtimes without a recurrent operator spend their time between operators: a step of 64 numbers takes each of them tens
of nanoseconds. torch's own unrolling slices every gate of the input and of the state and computes each alone; here the
gates that go through one function go through it together. A GRU's step takes 15 operators in place of 19.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch

    from edgeship.toolchain.model.rewriting import Place, Rewrite


class _Layer(NamedTuple):
    """One direction of one layer: its weights as torch keeps them, biases None where it has none."""

    of_input: Any
    of_state: Any
    input_bias: Any
    state_bias: Any
    width: int


class _Cell(NamedTuple):
    groups: tuple[tuple[int, int], ...]
    """The gates that are computed together: the first and the one behind the last."""
    step: Callable[[_Layer, list[Any], list[Any]], list[Any]]
    """(the layer, a step's products with the input by group, the states before it) → the states after it, each of
    [1, B, gates × width]."""


def unrolled() -> dict[Any, Rewrite]:
    """Operator → its rewrite."""
    import torch

    aten = torch.ops.aten
    return {aten.gru.input: _gru, aten.lstm.input: _lstm}


def _gru(place: Place, x: Any, state: Any, *given: Any) -> Any:
    return _network(place, x, [state], _Cell(((0, 2), (2, 3)), _gru_step), *given)


def _lstm(place: Place, x: Any, states: Sequence[Any], *given: Any) -> Any:
    return _network(place, x, list(states), _Cell(((0, 4),), _lstm_step), *given)


def _network(
    place: Place,
    x: Any,
    states: list[Any],
    cell: _Cell,
    weights: Sequence[Any],
    has_biases: bool,
    layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> Any:
    """All layers, and the states after each; None where the number of steps is dynamic, a dropout is active, or
    a projection makes the state smaller."""
    import torch

    aten = torch.ops.aten
    steps = place.value().shape[1 if batch_first else 0]
    per, ways = (4 if has_biases else 2), (2 if bidirectional else 1)
    if not isinstance(steps, int) or (train and dropout > 0) or len(weights) != layers * ways * per:
        return None
    stored: Any = place.node.args[2]
    x = aten.transpose.int(x, 0, 1) if batch_first else x
    finals: list[list[Any]] = []
    for layer in range(layers):
        made = []
        for way in range(ways):
            index = layer * ways + way
            of_input, of_state, *biases = weights[index * per : (index + 1) * per]
            of_both = biases or [None, None]
            kept: torch.Tensor = stored[index * per + 1].meta["val"]
            own = _Layer(of_input, of_state, of_both[0], of_both[1], int(kept.shape[1]))
            first = [aten.slice.Tensor(state, 0, index, index + 1) for state in states]
            order = range(steps) if way == 0 else range(steps - 1, -1, -1)
            outputs, last = _direction(own, x, first, cell, order)
            made.append(outputs)
            finals.append(last)
        x = aten.cat.default(made, 2) if bidirectional else made[0]
    x = aten.transpose.int(x, 0, 1) if batch_first else x
    results: list[Any] = [
        x,
        *(aten.cat.default(list(parts)) if len(finals) > 1 else parts[0] for parts in zip(*finals, strict=True)),
    ]
    for user in place.node.users:
        if user.target is operator.getitem:
            which: Any = user.args[1]
            user.replace_all_uses_with(results[which].node)
    return x


def _direction(layer: _Layer, x: Any, states: list[Any], cell: _Cell, order: range) -> tuple[Any, list[Any]]:
    """Its outputs [T, B, width] in the order of the inputs, and its states [1, B, width] after the last step."""
    import torch

    aten = torch.ops.aten
    products = aten.linear.default(x, layer.of_input, layer.input_bias)
    whole = len(cell.groups) == 1
    groups = [products] if whole else [_gates(products, layer, first, end) for first, end in cell.groups]
    outputs: dict[int, Any] = {}
    for at in order:
        states = cell.step(layer, [aten.slice.Tensor(group, 0, at, at + 1) for group in groups], states)
        outputs[at] = states[0]
    return aten.cat.default([outputs[at] for at in sorted(outputs)]), states


def _gru_step(layer: _Layer, products: list[Any], states: list[Any]) -> list[Any]:
    import torch

    aten, (both, new), (state,) = torch.ops.aten, products, states
    of_state = aten.linear.default(state, layer.of_state, layer.state_bias)
    gates = aten.sigmoid.default(aten.add.Tensor(both, _gates(of_state, layer, 0, 2)))
    reset, update = _gates(gates, layer, 0, 1), _gates(gates, layer, 1, 2)
    new = aten.tanh.default(aten.add.Tensor(new, aten.mul.Tensor(reset, _gates(of_state, layer, 2, 3))))
    return [aten.add.Tensor(aten.mul.Tensor(aten.sub.Tensor(state, new), update), new)]


def _lstm_step(layer: _Layer, products: list[Any], states: list[Any]) -> list[Any]:
    """The cell's quarter goes through the sigmoid as well and is not read: one operator for three gates."""
    import torch

    aten, (state, cell) = torch.ops.aten, states
    sums = aten.add.Tensor(products[0], aten.linear.default(state, layer.of_state, layer.state_bias))
    gates = aten.sigmoid.default(sums)
    enter, forget, leave = (_gates(gates, layer, number, number + 1) for number in (0, 1, 3))
    new = aten.tanh.default(_gates(sums, layer, 2, 3))
    cell = aten.add.Tensor(aten.mul.Tensor(forget, cell), aten.mul.Tensor(enter, new))
    return [aten.mul.Tensor(leave, aten.tanh.default(cell)), cell]


def _gates(products: Any, layer: _Layer, first: int, end: int) -> Any:
    import torch

    return torch.ops.aten.slice.Tensor(products, 2, first * layer.width, end * layer.width)

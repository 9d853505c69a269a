"""What a layer's weight and bias become when the constants that follow it are folded in, as converters do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeship.toolchain.samples import Array

if TYPE_CHECKING:
    from torch.fx import Node

Reals = NDArray[np.float64]
BATCH_NORMS = ("aten.batch_norm", "aten._native_batch_norm_legit_no_training", "aten.native_batch_norm")
PASSES = ("aten.dropout", "aten.alias", "aten.clone")
"""What leaves numbers as they are in inference."""
AFFINE = ("aten.mul", "aten.mul_", "aten.div", "aten.div_", "aten.add", "aten.add_", "aten.sub", "aten.sub_")

CLAMPED_SUMS = ("aten.hardsigmoid",)
"""clamp(x + 3, 0, 6) / 6: the sum is folded into the layer before it."""


@dataclass(frozen=True)
class Folded:
    """A layer with its batch norm, factor or addend, float64; `size` is that of the terms that were added, or of the
    largest one."""

    node: Node
    layer: Array
    factor: Reals
    """What the layer's weight is multiplied with, in its own layout."""
    bias: Reals
    size: Reals
    alone: tuple[tuple[Array, ...], ...]
    """What a file holds that does not fold this operator: all of one of these."""

    @property
    def weight(self) -> Reals:
        """The layer's weight times the factor."""
        return self.layer.astype(np.float64) * self.factor


def folds(
    node: Node,
    weight: Array,
    bias: Array | None,
    value: Callable[[Any], Any],
    constant: Callable[[Any], bool],
) -> tuple[Folded, ...]:
    """After each of the operators that follow `node` one by one, as long as they scale and shift its channels."""
    axis, channels = _channels(node, weight)
    if axis is None:
        return ()
    shape = [-1 if at == axis else 1 for at in range(weight.ndim)]
    factor, shift = np.ones(channels), np.zeros(channels) if bias is None else bias.astype(np.float64)
    size = np.abs(shift)
    found: list[Folded] = []
    while len(node.users) == 1:
        node = next(iter(node.users))
        if str(node.target).startswith(PASSES):
            continue
        step = _step(node, channels, value, constant)
        if step is None:
            if (places := _places(node, weight, value, constant)) is not None:
                total = shift.reshape(-1, *(1 for _ in weight.shape[2:])) + places
                stored = ((places.astype(np.float32),),)
                found.append(Folded(node, weight, factor.reshape(shape), total, np.abs(total).max(), stored))
            break
        times, plus, terms = step
        factor, shift = factor * times, shift * times + plus
        size = np.maximum(size * np.abs(times), terms)
        alone = (_stored(node, value, constant), (times, plus), (times, -plus / times), (1 / times,), (-plus,))
        found.append(Folded(node, weight, factor.reshape(shape), shift, size, alone))
        if str(node.target).startswith(CLAMPED_SUMS):
            break  # what follows the clamp is no part of the layer
    return tuple(found)


def absorbed(
    node: Node,
    weight: Array,
    bias: Array | None,
    value: Callable[[Any], Any],
    constant: Callable[[Any], bool],
) -> tuple[Folded, ...]:
    """A linear layer with the layer norm before it, or its factor alone, and the scale of the attention behind it."""
    if not str(node.target).startswith("aten.linear"):
        return ()
    norm = _before(node)
    gamma, beta = _norm(norm, value, constant) if norm is not None else (None, None)
    wide = weight.astype(np.float64)
    added = np.zeros(len(wide)) if bias is None else bias.astype(np.float64)
    # sums of as many products as there are inputs, in an order of the converter's own
    terms = (np.abs(added) + (0 if beta is None else np.abs(wide) @ np.abs(beta))) * max(
        1.0, np.sqrt(wide.shape[1]) / 4
    )
    ones = np.ones((1, wide.shape[1]))
    before = [(node, ones, added)]
    if norm is not None and gamma is not None:
        before.append((norm, gamma.reshape(1, -1), added))
    if norm is not None and gamma is not None and beta is not None:
        before.insert(1, (norm, gamma.reshape(1, -1), added + wide @ beta))
    scales = (1.0, *_attention_scales(node))
    return tuple(
        Folded(owner, weight, factor * scale, shift * scale, terms * scale, ())
        for owner, factor, shift in before
        for scale in scales
        if owner is not node or scale != 1
    )


def _before(node: Node) -> Node | None:
    """The layer norm that a layer reads, through what leaves its numbers as they are in inference."""
    source: Any = node.args[0]
    while str(getattr(source, "target", "")).startswith(PASSES):
        source = source.args[0]
    return source if str(getattr(source, "target", "")).startswith("aten.layer_norm") else None


def _norm(
    norm: Node, value: Callable[[Any], Any], constant: Callable[[Any], bool]
) -> tuple[Reals | None, Reals | None]:
    given = [*norm.args, None, None]
    gamma, beta = (value(arg).detach().double().numpy() if constant(arg) else None for arg in given[2:4])
    return (gamma, beta) if gamma is not None and gamma.ndim == 1 else (None, None)


def _attention_scales(node: Node) -> tuple[float, ...]:
    """What queries and keys are multiplied with where attention is written out: its scale, or the root for both."""
    while len(node.users) == 1:
        (user,) = node.users
        if str(user.target).startswith("aten.scaled_dot_product_attention"):
            given: Any = user.kwargs.get("scale")
            scale = float(given or user.args[0].meta["val"].shape[-1] ** -0.5)  # type: ignore[union-attr]
            return (scale**0.5, scale)
        if not str(user.target).startswith(("aten.view", "aten.reshape", "aten.transpose", "aten.permute")):
            return ()
        node = user
    return ()


def scale_and_shift(node: Node, value: Callable[[Any], Any]) -> tuple[Reals, Reals]:
    """The product and sum, float64 [channels], that a batch norm is."""
    gamma, beta, mean = (None if arg is None else value(arg).detach().double().numpy() for arg in node.args[1:4])
    assert mean is not None
    scale = (1.0 if gamma is None else gamma) * inverse_deviation(node, value)
    return scale, (0.0 if beta is None else beta) - mean * scale


def inverse_deviation(node: Node, value: Callable[[Any], Any]) -> Reals:
    """1 / √(variance + epsilon) of a batch norm, float64 [channels]."""
    epsilon: Any = node.args[7] if str(node.target).startswith("aten.batch_norm.") else node.args[-1]
    deviation: Reals = np.sqrt(value(node.args[4]).detach().double().numpy() + epsilon)
    return 1 / deviation


def _places(node: Node, weight: Array, value: Callable[[Any], Any], constant: Callable[[Any], bool]) -> Reals | None:
    """What a sum adds to a convolution at each place, [1, channels, …]; None where it is something else."""
    constants = [arg for arg in node.all_input_nodes if constant(arg)]
    if str(node.target) != "aten.add.Tensor" or len(constants) != 1 or node.kwargs or weight.ndim < 3:
        return None
    places: Reals = value(constants[0]).detach().double().numpy()
    return places if places.ndim == weight.ndim else None


def _stored(node: Node, value: Callable[[Any], Any], constant: Callable[[Any], bool]) -> tuple[Array, ...]:
    return tuple(value(arg).detach().numpy() for arg in node.all_input_nodes if constant(arg))


def _channels(node: Node, weight: Array) -> tuple[int | None, int]:
    name = str(node.target)
    if "transpose" in name:
        groups: Any = node.args[6] if len(node.args) > 6 else 1
        return (1, weight.shape[1]) if groups == 1 else (None, 0)
    if "conv" in name or "linear" in name:
        return 0, weight.shape[0]
    return None, 0


def _step(
    node: Node, channels: int, value: Callable[[Any], Any], constant: Callable[[Any], bool]
) -> tuple[Reals, Reals, Reals] | None:
    """Factor, addend and the size of what is added, per channel; None where the operator is something else."""
    name = str(node.target).rpartition(".")[0]
    if name in BATCH_NORMS:
        scale, shift = scale_and_shift(node, value)
        mean = np.abs(value(node.args[3]).detach().double().numpy() * scale)
        return scale, shift, np.maximum(mean, np.abs(shift))
    if name.startswith(CLAMPED_SUMS):
        three = np.full(channels, 3.0)
        return np.ones(channels), three, three
    if name not in AFFINE or node.kwargs or len(node.args) != 2:
        return None
    operands = [arg for arg in node.args if isinstance(arg, int | float) or constant(arg)]
    if len(operands) != 1 or (operands[0] is node.args[0] and name[5:].rstrip("_") in ("div", "sub")):
        return None
    number = operands[0] if isinstance(operands[0], int | float) else value(operands[0]).detach().double().numpy()
    vector = np.asarray(number, np.float64)
    if vector.size not in (1, channels) or (vector.size > 1 and max(vector.shape) != channels):
        return None
    vector = np.broadcast_to(vector.reshape(-1), (channels,))
    ones, zeros = np.ones(channels), np.zeros(channels)
    if "mul" in name or "div" in name:
        times = vector if "mul" in name else 1 / vector
        return times, zeros, zeros
    plus = vector if "add" in name else -vector
    return ones, plus, np.abs(plus)

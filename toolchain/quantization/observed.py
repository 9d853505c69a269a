"""What the observers of a calibrated program found: warnings, and the scales of dead channels."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from edgeship.toolchain.quantization.layers import layer_of

if TYPE_CHECKING:
    import torch
    from torch.fx import GraphModule, Node

LARGEST_BIAS = 2**30
"""Runtimes store a bias as int32 in units of input scale × weight scale."""


def range_warnings(prepared: GraphModule, scale_floor: float) -> list[str]:
    """What looks wrong about the ranges found, in sentences that name where; empty when nothing does."""
    constant, floored, unseen = [], [], []
    for node, observer in _observers(prepared):
        source = node.all_input_nodes[0]
        if source.op == "get_attr" or not hasattr(observer, "min_val"):
            continue  # weights, and scales that are fixed
        low, high = observer.min_val, observer.max_val
        if not (low.isfinite().all() and high.isfinite().all()):
            unseen.append(_place(source))
        elif bool((low == high).all()):
            constant.append(f"{_place(source)} is always {float(low.flatten()[0]):g}")
        elif float(observer.calculate_qparams()[0].min()) <= scale_floor * 1.01:
            floored.append(_place(source))
    return [
        *_one(unseen, "never saw a finite value in calibration"),
        *_one(constant, "had one value only in calibration: the data do not exercise the model"),
        *_one(floored, f"values so small that the scale sits on its floor of {scale_floor:g}"),
    ]


def lift_dead_channels(prepared: GraphModule) -> int:
    """Raise weight scales so small that the channel's bias would not fit into int32; returns how many channels.

    A channel of zeros takes the largest scale of its layer. The rounding this adds is below 2**-22 of the bias.
    """
    import torch

    observers = dict(_observers(prepared))
    lifted = 0
    for node in prepared.graph.nodes:
        if node.op != "call_function" or len(node.args) < 2 or node.args[1] not in observers:
            continue
        weight_observer = observers[node.args[1]]
        if not hasattr(weight_observer, "ch_axis") or node.args[1].args[0].op != "get_attr":
            continue
        largest = torch.maximum(weight_observer.min_val.abs(), weight_observer.max_val.abs())
        if largest.dim() == 0 or not largest.any():
            continue
        wanted = torch.where(largest > 0, largest, largest.max())
        bias = node.args[2] if len(node.args) > 2 else None
        if bias is not None and bias.op == "get_attr" and node.args[0] in observers:
            input_scale = observers[node.args[0]].calculate_qparams()[0].item()
            magnitude = _constant(prepared, bias).detach().abs()
            wanted = torch.maximum(wanted, 127 * magnitude / (input_scale * LARGEST_BIAS))
        changed = wanted > largest
        lifted += int(changed.sum())
        weight_observer.min_val[changed] = -wanted[changed]
        weight_observer.max_val[changed] = wanted[changed]
    return lifted


def _observers(prepared: GraphModule) -> Iterator[tuple[Node, Any]]:
    from torchao.quantization.pt2e import ObserverBase

    for node in prepared.graph.nodes:
        if node.op == "call_module" and isinstance(observer := prepared.get_submodule(node.target), ObserverBase):
            yield node, observer


def _constant(module: GraphModule, node: Node) -> torch.Tensor:
    tensor: torch.Tensor = operator.attrgetter(str(node.target))(module)
    return tensor


def _place(node: Node) -> str:
    """The module that a value comes from: 'features.3.conv (hardtanh_2)'."""
    if node.op == "placeholder":
        return f"the input {node.target}"
    layer = layer_of(node)
    return f"{layer} ({node.name})" if layer else node.name


def _one(places: list[str], what: str) -> list[str]:
    """One sentence for any number of places."""
    shown = ", ".join(places[:3]) + (f" and {len(places) - 3} more" if len(places) > 3 else "")
    return [f"{shown}: {what}"] if places else []

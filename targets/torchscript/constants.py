"""The constants of a TorchScript file by what they are used for, read from its graph."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeship.targets.torchscript.engines import opened
from edgeship.targets.torchscript.graph import constant_value, nodes_of
from edgeship.toolchain.api import Affine, Array, Inventory, Setting, Weight, convolution

if TYPE_CHECKING:
    import torch

LAYERS = ("aten::_convolution", "aten::conv", "aten::linear", "aten::addmm", "aten::matmul")
CONVOLUTIONS = {
    "aten::_convolution": (3, 4, 5, 8),
    **{f"aten::conv{rank}d": (3, 4, 5, 6) for rank in (1, 2, 3)},
}
"""Operators → where stride, padding, dilation and groups stand."""
TOLD: dict[str, tuple[Setting, int]] = {
    **{f"aten::{name}": ("epsilon", 4) for name in ("layer_norm", "group_norm")},
    **{f"aten::{name}": ("epsilon", 7) for name in ("batch_norm", "instance_norm")},
    **{f"aten::{name}": ("softmax axis", 1) for name in ("softmax", "log_softmax", "_softmax", "_log_softmax")},
}
UNSIGNED = 13
"""torch.quint8 as the graph writes it; its kernels take no other activations."""


def constants(path: Path) -> Inventory:
    """Everything that the file stores."""
    return _Reader(opened(path)).inventory()


class _Reader:
    def __init__(self, module: Any) -> None:
        self.module = module  # it owns the graph
        self.nodes = nodes_of(module.inlined_graph)
        values = ((node.output().debugName(), constant_value(node)) for node in self.nodes if node.outputsSize() == 1)
        self.known = {name: value for name, value in values if value is not None}
        self.known |= {
            node.output().debugName(): value
            for node in self.nodes
            if node.kind() == "prim::GetAttr" and (value := self._attribute(node)) is not None
        }
        self.grids: dict[str, Affine] = {}

    def inventory(self) -> Inventory:
        import torch

        found = Inventory()
        for node in self.nodes:
            grid = self._grid(node)
            if grid is not None:
                self.grids[node.output().debugName()] = grid
                found.activations.append((node.kind(), grid))
            setting, at = TOLD.get(node.kind(), (None, 0))
            if setting and (number := self._told(list(node.inputs())[at])) is not None:
                found.settings.append((node.kind(), setting, float(number)))
            for position, value in enumerate(node.inputs()):
                stored = self.known.get(value.debugName())
                if isinstance(stored, torch.ScriptObject):
                    found.weights.append(self._packed(node, stored))
                elif isinstance(stored, torch.Tensor):
                    self._tensor(node, position, stored, found)
        return found

    def _tensor(self, node: Any, position: int, stored: torch.Tensor, found: Inventory) -> None:
        if stored.is_quantized:
            found.weights.append(Weight(node.kind(), *_integers(stored)))
        elif stored.is_floating_point():
            array = stored.detach().numpy()
            found.floats.append(array)
            if position == 1 and node.kind().startswith(LAYERS) and array.ndim > 1:
                settings = self._settings(node)
                found.weights.append(Weight(node.kind(), array, None, self._bias(node), settings=settings))
        elif stored.element_size() == 1 and stored.dtype.is_signed and stored.numel():
            found.weights.append(Weight(node.kind(), stored.numpy(), self._decomposed(node)))

    def _told(self, value: Any) -> Any:
        """A number or a list of them; None where it is computed."""
        if value.node().kind() != "prim::ListConstruct":
            return self.known.get(value.debugName())
        each = [self.known.get(item.debugName()) for item in value.node().inputs()]
        return None if None in each else each

    def _settings(self, node: Any) -> dict[str, tuple[int, ...]]:
        """Of a convolution that is told them as numbers."""
        given = list(node.inputs())
        told = [self._told(given[at]) for at in CONVOLUTIONS.get(node.kind(), ())]
        if not told or None in told or isinstance(told[1], str):
            return {}
        stride, padding, dilation, groups = told
        padded = "pad" in given[0].node().kind()
        return convolution(stride, None if padded else 2 * list(padding), dilation, groups)

    def _bias(self, node: Any) -> Array | None:
        inputs = list(node.inputs())
        bias: Any = self.known.get(inputs[2].debugName()) if len(inputs) > 2 else None
        return None if bias is None else bias.detach().numpy()

    def _decomposed(self, node: Any) -> Affine | None:
        """What dequantize_per_channel is given beside the integers."""
        if "dequantize_per_channel" not in node.kind():
            return None
        scale, zero_point = (self.known.get(value.debugName()) for value in list(node.inputs())[1:3])
        return None if scale is None or zero_point is None else Affine.of(scale.numpy(), zero_point.numpy())

    def _packed(self, node: Any, packed: Any) -> Weight:
        weight, bias = packed.unpack()
        values, grid = _integers(weight)
        added = None if bias is None else bias.detach().numpy()
        settings = {}
        if "conv" in node.kind():
            settings = convolution(packed.stride(), 2 * packed.padding(), packed.dilation(), packed.groups())
        return Weight(node.kind(), values, grid, added, None, self._source(next(iter(node.inputs()))), settings)

    def _source(self, value: Any) -> Affine | None:
        """How an activation is stored, through operators that leave that as it is."""
        while value.debugName() not in self.grids:
            inputs = list(value.node().inputs())
            if not inputs or value.node().kind() in ("aten::dequantize", "prim::Param"):
                return None
            value = inputs[0]
        return self.grids[value.debugName()]

    def _grid(self, node: Any) -> Affine | None:
        """The scale and zero point that a quantized operator is given for what it answers."""
        namespace, _, name = node.kind().partition("::")
        decomposed = namespace == "quantized_decomposed" and name.endswith("quantize_per_tensor")
        if namespace != "quantized" and node.kind() != "aten::quantize_per_tensor" and not decomposed:
            return None
        given = [self.known.get(value.debugName()) for value in node.inputs()]
        pairs = [(a, b) for a, b in pairwise(given) if type(a) is float and type(b) is int]
        if not pairs:
            return None
        scale, zero_point = pairs[-1]
        signed = decomposed or (node.kind() == "aten::quantize_per_tensor" and given[3] != UNSIGNED)
        return Affine.of(scale, zero_point, not signed)

    def _attribute(self, node: Any) -> Any:
        """The tensor behind a chain of attributes of the module."""
        names: list[str] = []
        while node.kind() == "prim::GetAttr":
            names.insert(0, node.s("name"))
            node = next(iter(node.inputs())).node()
        value = self.module
        for name in names:
            value = getattr(value, name, None)
        return value if hasattr(value, "is_quantized") else None


def _integers(tensor: torch.Tensor) -> tuple[Array, Affine]:
    unsigned = "quint" in str(tensor.dtype)
    values = tensor.int_repr().numpy().astype(np.int16) - (128 if unsigned else 0)
    if "channel" in str(tensor.qscheme()):
        grid = Affine.of(tensor.q_per_channel_scales().numpy(), tensor.q_per_channel_zero_points().numpy())
    else:
        grid = Affine.of(tensor.q_scale(), tensor.q_zero_point(), unsigned)
    return values.astype(np.int8), grid

"""The constants of an .aimodel by what they are used for, read from its graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgeship.targets.coreai.upstream import Operands, read_added_to_roots, read_operands
from edgeship.toolchain.api import MOST_EPSILON, Affine, Inventory, Weight

SCALED = ("dequantize", "blockwise_shift_scale", "constexpr_blockwise_shift_scale")
"""Integers to reals: they take the integers, the scales and the zero points, in this order."""
LAYERS = ("conv", "matmul")


def constants(path: Path) -> Inventory:
    """Everything that the asset stores for `main`."""
    found = Inventory()
    for number, op in enumerate(read_operands(path)):
        place = f"{op.kind} {number}"
        scaled = op.kind in SCALED
        if (scaled or op.kind == "quantize") and op.arrays[0] is None and (grid := _grid(op)) is not None:
            found.activations.append((place, grid))
        for position, array in enumerate(op.arrays):
            if array is None:
                continue
            if array.dtype.kind == "f":
                found.floats.append(array)
                if array.ndim > 1 and any(part in op.kind for part in LAYERS):
                    found.weights.append(Weight(place, array))
            elif array.dtype in (np.int8, np.uint8) and position == 0:
                found.weights.append(Weight(place, array.astype(np.int8), _grid(op) if scaled else None))
    added = read_added_to_roots(path)
    found.settings.extend(("root", "epsilon", number) for number in added if 0 < number < MOST_EPSILON)
    return found


def _grid(op: Operands) -> Affine | None:
    scale, zero_point = (op.arrays[position] if position < len(op.arrays) else None for position in (1, 2))
    if scale is None:
        return None
    return Affine.of(scale, 0 if zero_point is None or zero_point.dtype.kind == "f" else zero_point, op.unsigned)

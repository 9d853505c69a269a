"""Ways to break a file's bytes: one stored number is changed where the format's reader finds it."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edgeship.toolchain.artifact import Artifact
from edgeship.toolchain.inventory import Inventory
from edgeship.toolchain.model.audit import inventory_of
from edgeship.toolchain.samples import Array


def _weights(found: Inventory) -> list[Array]:
    return [weight.values for weight in found.weights] or [each for each in found.floats if each.ndim > 1]


def _biases(found: Inventory) -> list[Array]:
    return [weight.bias for weight in found.weights if weight.bias is not None]


def _scales(found: Inventory) -> list[Array]:
    grids = [weight.grid for weight in found.weights] + [grid for _, grid in found.activations]
    return [grid.scale for grid in grids if grid is not None]


PATCHES: dict[str, Callable[[Inventory], list[Array]]] = {
    "one number of a weight, in the bytes": _weights,
    "one number of a bias, in the bytes": _biases,
    "one scale, in the bytes": _scales,
}


def patch(artifact: Artifact, folder: Path, kind: str, seed: str) -> bool:
    """Change one number of an artifact's file in place; False where none lies in it as its reader gives it."""
    found = inventory_of(artifact, folder)
    arrays = [array for array in PATCHES[kind](found) if array.any()] if found else []
    draw = random.Random(f"{kind} {seed}")
    draw.shuffle(arrays)
    files = {file: file.read_bytes() for file in sorted((folder / artifact.file).rglob("*")) if file.is_file()}
    files = files or {folder / artifact.file: (folder / artifact.file).read_bytes()}
    for array in arrays:
        stored = np.ascontiguousarray(array).tobytes()
        for file, content in files.items():
            at = content.find(stored)
            if at >= 0:
                file.write_bytes(content[:at] + _changed(array, draw).tobytes() + content[at + len(stored) :])
                return True
    return False


def _changed(array: Array, draw: random.Random) -> Array:
    """One number that is not zero: by 5 % in floats, 2 % in a scale that stands alone, a step or more in integers."""
    changed = np.ascontiguousarray(array).copy()
    index = draw.choice(np.flatnonzero(changed).tolist())
    number = changed.flat[index]
    if array.dtype.kind == "f":
        changed.flat[index] = number * (1.02 if array.size == 1 else 1.05)
    elif array.dtype.itemsize == 1:
        changed.flat[index] = number + (1 if number < 100 else -1)
    else:
        changed.flat[index] = number + max(2, abs(int(number)) // 20)
    return changed

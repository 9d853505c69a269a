"""Whether a file holds the constants of the program it was made from, and nothing that the program does not explain.

Read from the file's bytes, without a run: what no output shows (a zero point off by one, a bias shifted, a scale 2 %
wrong in one layer of many) is a fault here.
"""

from __future__ import annotations

import importlib
from collections import defaultdict
from collections.abc import Set
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeship.toolchain.artifact import Artifact, ConstantsAudit
from edgeship.toolchain.inventory import Affine, Inventory, Weight
from edgeship.toolchain.model.candidates import Candidates
from edgeship.toolchain.model.constants import constants_of
from edgeship.toolchain.model.equality import Same, exact, same_up_to_layout, share_equal, within
from edgeship.toolchain.model.expected import Constants, Floats, Layer
from edgeship.toolchain.model.fused import is_fused
from edgeship.toolchain.model.pairing import FOLDED_UNITS, LOOSE_UNITS, Parts, as_stored, dequantized, pair
from edgeship.toolchain.model.settings import told
from edgeship.toolchain.registry import runtime_info
from edgeship.toolchain.samples import Array

if TYPE_CHECKING:
    from torch.export import ExportedProgram

SHOWN = 5
HALF_STEP = 0.501
"""By how much a number may differ from what it is rounded to."""


def compared_file(program: ExportedProgram, artifact: Artifact, folder: Path) -> Comparison | None:
    """The file that `folder` holds beside the stored program it was made from; None where nothing reads it."""
    found = inventory_of(artifact, folder)
    return None if found is None else compared(constants_of(program), found)


def inventory_of(artifact: Artifact, folder: Path) -> Inventory | None:
    """What the file that `folder` holds stores; None where nothing reads it."""
    runtime = runtime_info(artifact.runtime.name)
    reader = getattr(importlib.import_module(runtime.inspect), "constants", None) if runtime else None
    return reader(folder / artifact.file) if reader else None


def compared(expected: Constants, found: Inventory) -> Comparison:
    """What a program's constants and a file's have in common, and the layer that each weight of the file is of."""
    comparison = Comparison(found)
    comparison.weights(expected.layers, expected.numbers.get("number", set()))
    comparison.activations(expected)
    for floats in expected.floats:
        if floats.node is None or floats.node not in comparison.absorbed:
            comparison.floats(floats)
    comparison.settings(expected)
    return comparison


class Comparison:
    """A program's constants beside a file's."""

    def __init__(self, found: Inventory) -> None:
        self.found = found
        self.accounted = 0
        self.faults: list[str] = []
        self.layers: list[tuple[str, str]] = []
        """In the file's order: the place of a weight there, and the program's layer that it is of."""
        self.absorbed: set[object] = set()
        self._stored_grids = {affine.key for _, affine in found.activations}
        self._pool: dict[int, list[Array]] = defaultdict(list)
        seen: set[int] = set()
        for array in found.floats:
            if id(array) not in seen:
                seen.add(id(array))
                self._pool[array.size].append(array)

    @property
    def audit(self) -> ConstantsAudit:
        """What is told of it."""
        total = self.accounted + len(self.faults)
        return ConstantsAudit(total=total, accounted=self.accounted, faults=tuple(self.faults[:SHOWN]))

    def weights(self, layers: list[Layer], numbers: Set[float]) -> None:
        """Every layer's weight in the file, with its scale and bias; and every integer weight of the file explained."""
        pairs: dict[int, list[Parts]] = {index: [] for index in range(len(layers))}
        strays: list[Weight] = []
        candidates = Candidates(layers)
        for weight in self.found.weights:
            matches: list[tuple[int, Parts]] = []
            for indices in candidates.of(weight):
                found = ((index, pair(weight, layers[index])) for index in indices)
                matches += [(index, parts) for index, parts in found if parts is not None]
                if any(not parts.wrong for _, parts in matches):
                    break  # what it is need not be computed from another
            if not matches:
                if not _is_number(weight, numbers):
                    strays.append(weight)
                continue
            fewest = min((len(parts.wrong), -len(parts.agree)) for _, parts in matches)
            chosen = [match for match in matches if (len(match[1].wrong), -len(match[1].agree)) == fewest]
            for index, parts in chosen:
                pairs[index].append(parts)
            index, parts = chosen[0]
            self.layers.append((weight.place, layers[index].place))
            self.faults += [f"{layers[index].place}: the {part} is not the program's" for part in parts.wrong]
        lost = {index for index, parts in pairs.items() if not parts}
        for weight in strays:
            if weight.values.dtype.kind == "f":
                continue  # computed by the converter; what it should be is missed below
            lost -= self._stray(weight, layers, lost)
        for index, layer in enumerate(layers):
            if not layer.required:
                continue
            if index in lost and not self._in_pool(layer.values) and not self._computed(layer):
                self.faults.append(f"{layer.place}: the weight {list(layer.values.shape)} is not in the file")
            elif pairs[index] or not self._computed(layer):
                self._count(layer, pairs[index])
            else:
                self.accounted += 3  # its scale and zero point are in its numbers

    def _computed(self, layer: Layer) -> bool:
        """Whether the file holds the real numbers of an integer constant, or what they are computed from."""
        if layer.grid is None:
            return False
        known = (all(self._in_pool(each) or _trivial(each) for each in floats) for floats in layer.sources if floats)
        return any(known) or self._has(dequantized(layer), within(LOOSE_UNITS))

    def _stray(self, weight: Weight, layers: list[Layer], lost: set[int]) -> set[int]:
        """Name an integer weight of the file that no layer has, by the layer whose weight is nearest."""
        near = [(share_equal(weight.values, layers[index].values), index) for index in range(len(layers))]
        share, index = max(near, default=(0.0, -1))
        if share < 0.5:
            self.faults.append(f"{weight.place}: integers {list(weight.values.shape)} that the program does not have")
            return set()
        count = round((1 - share) * weight.values.size)
        self.faults.append(f"{layers[index].place}: {count} of {weight.values.size} weights are not the program's")
        return {index} & lost

    def _count(self, layer: Layer, found: list[Parts]) -> None:
        """The weight of a layer is there: are the constants that belong to it?"""
        known = {part for parts in found for part, ok in parts.agree.items() if ok}
        if layer.grid is not None and layer.grid.key in self._stored_grids:
            known |= {"scale", "zero point"}  # an operator is given them as numbers
        wrong = {part for parts in found for part in parts.wrong}
        if absorbed := {parts.absorbed.node for parts in found if parts.absorbed}:
            self.absorbed |= absorbed
            self.accounted += 1 + (layer.bias is not None and not wrong)
            return
        depth = max((parts.folds for parts in found), default=0)
        bias: Array | None = layer.folded[depth - 1].bias if depth else layer.bias
        same = within(FOLDED_UNITS, layer.folded[depth - 1].size) if depth else exact
        self.accounted += 1
        scale, zero_point = (layer.grid.scale, layer.grid.zero_point) if layer.grid else (None, None)
        arrays: dict[str, Array | None] = {"scale": scale, "zero point": zero_point, "bias": bias}
        for part, array in arrays.items():
            if array is None or part in wrong:
                continue
            if part in known or (part != "scale" and not array.any()) or self._has(array, same):
                self.accounted += 1
            elif part == "bias" and (later := self._added_later(layer, depth)) is not None:
                self.accounted += 1
                depth = later
            else:
                self.faults.append(f"{layer.place}: the {part} is not in the file")
        for fold in layer.folded[depth:]:
            self.floats(Floats(layer.place, fold.alone))

    def _added_later(self, layer: Layer, depth: int) -> int | None:
        """Up to which of the operators that follow its bias is folded with theirs, where the weight is not."""
        for index, fold in enumerate(layer.folded[depth:], depth + 1):
            if self._has(fold.bias, within(FOLDED_UNITS, fold.size)):
                return index
        return None

    def activations(self, expected: Constants) -> None:
        """The grids of both sides as sets: one that is in one only is a scale or zero point changed or lost."""
        stored = {affine.key: place for place, affine in self.found.activations}
        grids = [affine for _, affine in expected.activations] + [each.grid for each in expected.layers if each.grid]
        explained = {key for affine in grids for key in (affine.key, affine.half.key)}
        written = [affine for _, affine in self.found.activations]
        other = [(grid.key, affine) for affine in written for grid, new in expected.rescaled if _near(affine, new)]
        replaced = {key for key, _ in other}
        explained |= {affine.key for _, affine in other}
        for place, affine in expected.activations:
            key = affine.key
            if key in stored or affine.half.key in stored or key in replaced:
                self.accounted += 2
            else:
                self.faults.append(
                    f"{place}: its scale {_scale(key):.6g} and zero point {_zero(key)} are not in the file"
                )
        for key, place in stored.items():
            if key not in explained:
                self.faults.append(
                    f"{place}: scale {_scale(key):.6g} and zero point {_zero(key)}, which the program does not have"
                )

    def floats(self, floats: Floats) -> None:
        """One of the alternatives, all of it."""
        loose = within(LOOSE_UNITS)
        for alternative in floats.alternatives:
            if all(
                _trivial(array)
                or self._in_pool(array)
                or self._has(array, loose)
                or is_fused(array, floats.node, self.found.settings)
                for array in alternative
            ):
                self.accounted += len(alternative)
                return
        self.faults.append(f"{floats.place}: {list(floats.alternatives[0][0].shape)} numbers that are not in the file")

    def settings(self, expected: Constants) -> None:
        """What the file's operators are told, that nothing in the program says; one it has none of may be computed."""
        for place, name, number in self.found.settings:
            explained = expected.numbers.get(name)
            if explained and not any(told(number, each) for each in explained):
                self.faults.append(f"{place}: its {name} {number:.6g} is not the program's")

    def _in_pool(self, array: Array) -> bool:
        return self._has(array, exact)

    def _has(self, array: Array, same: Same) -> bool:
        if array.dtype.kind != "f":
            return False
        wanted = array.reshape(-1)[:1] if array.size and (array == array.flat[0]).all() else array
        return any(
            same_up_to_layout(each, as_stored(wanted, each) if same is exact else wanted, same)
            for size in {array.size, wanted.size}
            for each in self._pool[size]
        )


def _is_number(weight: Weight, numbers: Set[float]) -> bool:
    """Whether a converter quantized one of the program's numbers, or filled with zeros, which stand for no weight."""
    if weight.grid is None or weight.grid.scale.size != 1 or len(found := np.unique(weight.values)) != 1:
        return False
    steps = int(found[0]) - int(weight.grid.zero_point)
    scale = float(weight.grid.scale)
    return steps == 0 or (weight.values.size == 1 and any(abs(each / scale - steps) <= HALF_STEP for each in numbers))


def _trivial(array: Array) -> bool:
    return array.size == 0 or ((array == array.flat[0]).all() and float(array.flat[0]) in (0.0, 1.0))


def _near(found: Affine, wanted: Affine) -> bool:
    """Whether a grid is one that was computed, up to the rounding of a quotient in the file's precision."""
    same = within(LOOSE_UNITS)
    return found.scale.size == 1 and bool(found.zero_point == wanted.zero_point) and same(found.scale, wanted.scale)


def _scale(key: tuple[bytes, bytes]) -> float:
    return float(np.frombuffer(key[0], np.float16 if len(key[0]) == 2 else np.float32)[0])


def _zero(key: tuple[bytes, bytes]) -> int:
    return int(np.frombuffer(key[1], np.int64)[0])

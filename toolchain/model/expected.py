"""What the file of a program must hold: layers with their weights, grids of activations, floats outside of layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgeship.toolchain.inventory import Affine, Setting, Weight
from edgeship.toolchain.model.folds import Folded
from edgeship.toolchain.samples import Array

if TYPE_CHECKING:
    from torch.fx import Node


@dataclass(frozen=True)
class Layer(Weight):
    """A weight of the program, and what a target may make of it by folding the constants that follow into it."""

    folded: tuple[Folded, ...] = ()
    absorbed: tuple[Folded, ...] = ()
    """The same for what stands before it."""
    sources: tuple[tuple[Array, ...], ...] = ()
    """Of an integer constant that is no layer's: floats that it is computed from, which may stand in its place."""
    required: bool = True
    """False where a target may compute something else of it."""


@dataclass(frozen=True)
class Floats:
    """Float constants outside of layers; a target stores all of one alternative."""

    place: str
    alternatives: tuple[tuple[Array, ...], ...]
    node: Node | None = None
    """The operator that reads them."""


@dataclass(frozen=True)
class Constants:
    """What a program's file must hold."""

    layers: list[Layer] = field(default_factory=list)
    activations: list[tuple[str, Affine]] = field(default_factory=list)
    floats: list[Floats] = field(default_factory=list)
    rescaled: list[tuple[Affine, Affine]] = field(default_factory=list)
    """Grids of the operands and results of sums, each with one that a target may write instead: all of a sum are
    divided by the scale of one operand."""
    numbers: Mapping[Setting, set[float]] = field(default_factory=dict)
    """Setting → what a file may say."""

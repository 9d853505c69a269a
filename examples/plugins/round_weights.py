"""A pass: weights rounded to a grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from edgeship.toolchain.api import Context, ModulePass

if TYPE_CHECKING:
    from torch import nn


class RoundWeights(ModulePass):
    """Rounds every parameter to a multiple of `step`, so that files compress better."""

    step: float = Field(1 / 1024, gt=0, description="distance of the grid's points")

    def apply(self, module: nn.Module, context: Context) -> nn.Module:
        for parameter in module.parameters():
            parameter.data = (parameter.data / self.step).round() * self.step
        return module

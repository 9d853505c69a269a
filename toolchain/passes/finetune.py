"""Training that repairs a module, by labels, by distillation from the float model, or both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeship.toolchain.api import Context, ModulePass
from edgeship.toolchain.passes.training import Training, train

if TYPE_CHECKING:
    from torch import nn


class Finetune(Training, ModulePass):
    """Trains the module as it is; after `prune-structured` it wins back most of what pruning lost."""

    def apply(self, module: nn.Module, context: Context) -> nn.Module:
        """Train; see `edgeship.toolchain.passes.training.train` for what is raised."""
        import torch

        # convolutions train a third faster in this layout, and the numbers stay the same
        module = module.to(memory_format=torch.channels_last)
        train(module.train(), self, context)
        return module.to(memory_format=torch.contiguous_format).eval()

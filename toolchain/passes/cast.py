"""Half-precision weights, float arithmetic.

Every float32 weight of more than one element becomes a float16 constant followed by `aten.to.dtype(weight, float32)`;
batch norms that follow a convolution or a linear are folded first; inputs, outputs and arithmetic stay float32.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from edgeship.toolchain.api import FLOAT16, Context, ProgramPass, QuantSpec, export
from edgeship.toolchain.passes.parts import Parts
from edgeship.toolchain.quantization.layers import change

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram

LARGEST_ERROR = 0.01
"""A weight that float16 changes by more than this share of its norm stays float32."""


class CastFp16(Parts, ProgramPass):
    """Stores weights as float16; targets that compute in float16 may drop the casts."""

    def own(self) -> QuantSpec:
        """float16."""
        return FLOAT16

    def apply(self, program: ExportedProgram, context: Context) -> ExportedProgram:
        """Cast the weights; one that float16 cannot hold stays float32, with a warning."""
        import torch

        from edgeship.toolchain.quantization.upstream import drop_unused_state, fold_batch_norm

        module = program.module()
        fold_batch_norm(module)
        made_of = change(module, context.spec, self.spec(context.spec))
        for node in list(module.graph.nodes):
            if node.op != "get_attr" or not node.users or any(made_of(user) != FLOAT16 for user in node.users):
                continue
            weight = operator.attrgetter(node.target)(module)
            if not isinstance(weight, torch.Tensor) or weight.dtype != torch.float32 or weight.numel() < 2:
                continue
            if problem := _does_not_fit(weight):
                context.warn(f"{node.target} stays float32: {problem}")
                continue
            name = f"{node.target.replace('.', '_')}_float16"
            module.register_buffer(name, weight.detach().half())
            with module.graph.inserting_before(node):
                cast = module.graph.call_function(torch.ops.aten.to.dtype, (module.graph.get_attr(name), torch.float32))
            node.replace_all_uses_with(cast)
        drop_unused_state(module)
        return export(module, context.example, context.signature)


def _does_not_fit(weight: torch.Tensor) -> str:
    half = weight.detach().half().float()
    if not half.isfinite().all():
        return f"its largest magnitude {float(weight.detach().abs().max()):.3g} is beyond float16"
    error, norm = float((half - weight.detach()).norm()), float(weight.detach().norm())
    return f"float16 changes it by {error / norm:.1%}" if error > LARGEST_ERROR * norm else ""

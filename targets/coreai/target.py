"""The Core AI target: the folded program, its quantizers rewritten to Core AI's own, into an .aimodel."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from edgeship.targets.coreai.inspect import compute_dtypes, weight_bytes
from edgeship.targets.coreai.runtime import RUNTIME
from edgeship.targets.coreai.upstream import coreai_torch, read_asset, save_asset
from edgeship.toolchain.api import (
    FLOAT16,
    Artifact,
    Context,
    EdgeshipError,
    QuantSpec,
    Runtime,
    RuntimeInfo,
    Target,
    Tensor,
    conversion_error,
    digest,
    explicit_pools,
    folded,
    rewritten,
    size_bytes,
)

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram
    from torch.fx import GraphModule, Node

STORED = {"int64": "int32", "float64": "float32"}
"""Core AI has no 64-bit types."""


class CoreAI(Target):
    """An .aimodel for Apple's Core AI (iOS 27, macOS 27); on Linux its runtime is an interpreter: numbers, no speed."""

    runtime: ClassVar[RuntimeInfo | None] = RUNTIME
    version: ClassVar[int] = 2
    format: ClassVar[str] = "coreai"
    extra: ClassVar[str] = "coreai"
    packages: ClassVar[tuple[str, ...]] = ("coreai-torch", "coreai-core")

    def schemes(self) -> frozenset[str]:
        """What it carries."""
        return frozenset({"float32", "w8a8-static", "w8-weights", "w4-weights"})

    def unsupported(self, spec: QuantSpec, dynamic: bool) -> str | None:
        """Adds what only Core AI knows to the reasons of every target."""
        if spec.has("dynamic"):
            return "Core AI quantizes activations with constant scales only: use quantize-static or quantize-weights"
        if FLOAT16 in spec.each:
            return "coreai-torch folds float16 weights back into float32: the file would not shrink"
        return super().unsupported(spec, dynamic)

    def warm_up(self) -> None:
        """coreai-torch."""
        coreai_torch()

    def export(self, program: ExportedProgram, out: Path, context: Context) -> Artifact:
        """Convert and write; ExportError names what coreai-torch cannot take."""
        coreai_torch()
        asset = out / "model.aimodel"
        signature = context.signature
        if not context.spec.is_float:
            program = folded(program, signature, context.example, rewrite_quantizers)
        program = rewritten(program, signature, context.example, explicit_pools())
        names = [tensor.name for tensor in signature.inputs]
        try:
            save_asset(program, names, [tensor.name for tensor in signature.outputs], asset)
        except Exception as error:

            def convert(cut: ExportedProgram) -> None:
                outputs = [f"output_{index}" for index in range(len(cut.graph_signature.user_outputs))]
                with tempfile.TemporaryDirectory() as folder:
                    save_asset(cut, names, outputs, Path(folder) / "cut.aimodel")

            raise conversion_error("coreai-torch", error, program, context, convert) from error
        found = read_asset(asset)
        return Artifact(
            format=self.format,
            file=asset.name,
            spec=str(context.spec),
            runtime=Runtime(name="coreai", minimum_version="iOS27"),
            inputs=tuple(_stored(tensor) for tensor in signature.inputs),
            outputs=tuple(_stored(tensor) for tensor in signature.outputs),
            size_bytes=size_bytes(asset),
            sha256=digest(asset),
            dtypes=compute_dtypes(found.operations),
            weight_bytes=weight_bytes(found.operations),
            reproducible=False,
            notes=("the converter numbers its constants at random: equal input gives equal numbers, not equal bytes",),
        )


def rewrite_quantizers(module: GraphModule) -> None:
    """Turn `quantized_decomposed` operators into Core AI's own, in place; scales and zero points become buffers.

    Per tensor and per channel: coreai.quantize and coreai.dequantize. Groups: coreai.constexpr_blockwise_shift_scale,
    stored in four bits. EdgeshipError names an operator that has no twin.
    """
    import torch

    decomposed, core = torch.ops.quantized_decomposed, torch.ops.coreai
    for node in list(module.graph.nodes):
        if node.op != "call_function" or not str(node.target).startswith("quantized_decomposed"):
            continue
        with module.graph.inserting_before(node):
            if node.target is decomposed.quantize_per_tensor.default:
                value, scale, zero_point, low, high, dtype = node.args
                limits = torch.iinfo(dtype)
                if (low, high) != (limits.min, limits.max):
                    value = module.graph.call_function(
                        torch.ops.aten.clamp.default, (value, (low - zero_point) * scale, (high - zero_point) * scale)
                    )
                args = (value, *_parameters(module, node, scale, zero_point, dtype))
                twin = module.graph.call_function(core.quantize.default, (*args[:2], dtype, args[2]))
            elif node.target is decomposed.dequantize_per_tensor.default:
                value, scale, zero_point, _, _, dtype = node.args
                args = (value, *_parameters(module, node, scale, zero_point, dtype))
                twin = module.graph.call_function(core.dequantize.default, args)
            elif node.target is decomposed.dequantize_per_channel.default:
                value, scales, zero_points, axis, _, _, dtype = node.args
                pair = _parameters(module, node, _constant(module, scales), _constant(module, zero_points), dtype)
                twin = module.graph.call_function(core.dequantize.default, (value, *pair, None, axis))
            elif node.target is decomposed.dequantize_per_channel_group.default:
                value, scales, zero_points = node.args[:3]
                bits = getattr(torch, "int4") if node.args[3:5] == (-8, 7) else None  # noqa: B009 (not in its stubs)
                pair = _parameters(module, node, _constant(module, scales), _constant(module, zero_points), torch.int8)
                twin = module.graph.call_function(
                    core.constexpr_blockwise_shift_scale.default, (value, *pair, None, bits)
                )
            else:
                raise EdgeshipError(f"Core AI has no twin of {node.target}", "leave this target out")
        node.replace_all_uses_with(twin)
        module.graph.erase_node(node)
    module.graph.eliminate_dead_code()
    module.recompile()


def _parameters(
    module: GraphModule, node: Node, scale: float | torch.Tensor, zero_point: int | torch.Tensor, dtype: torch.dtype
) -> tuple[Node, Node | None]:
    """Nodes of the scale and of the zero point; None for zero points that are all zero."""
    import torch

    def buffer(name: str, value: torch.Tensor) -> Node:
        attribute = f"{node.name}_{name}"
        module.register_buffer(attribute, value)
        return module.graph.get_attr(attribute)

    zeros = torch.as_tensor(zero_point).to(dtype)
    return buffer("scale", torch.as_tensor(scale, dtype=torch.float32)), (
        buffer("zero_point", zeros) if bool(zeros.any()) else None
    )


def _constant(module: GraphModule, node: Node) -> torch.Tensor:
    import operator

    tensor: torch.Tensor = operator.attrgetter(str(node.target))(module)
    return tensor


def _stored(tensor: Tensor) -> Tensor:
    return tensor.model_copy(update={"dtype": STORED.get(tensor.dtype, tensor.dtype), "quantization": None})

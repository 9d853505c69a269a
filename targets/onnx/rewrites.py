"""The order of the rewrites after torch's export; each is exact and lies in a module of its kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from edgeship.targets.onnx import dynamic_int8, static_int8, weights
from edgeship.toolchain.api import FLOAT16, FLOAT32, QuantSpec

if TYPE_CHECKING:
    import onnx_ir as ir

Rewrite = Callable[["ir.Model"], int]


def steps(spec: QuantSpec, activations: str) -> list[Rewrite]:
    """The rewrites of one quantization spec, in order."""
    chosen: list[Rewrite] = [static_int8.pool_spatial_means]
    if spec.has("static"):
        chosen += [
            static_int8.drop_repeated_pairs,
            static_int8.drop_implied_clips,
            static_int8.quantize_biases,  # before the zero points move: it reads scales only
        ]
        if activations == "uint8":
            chosen.append(static_int8.activations_to_uint8)
        if FLOAT32 in spec.each:
            chosen.append(static_int8.keep_float_layers)  # after the zero points moved
    if spec.has("dynamic"):
        chosen += [dynamic_int8.join_dynamic_pairs, dynamic_int8.multiply_integers, dynamic_int8.convolve_integers]
    if spec.has("weights"):
        chosen += [weights.store_int4, weights.transpose_weights, weights.dequantize_at_load]
    if FLOAT16 in spec.each:
        chosen.append(weights.halve_constants)
    return chosen


def rewrite(model: ir.Model, spec: QuantSpec, activations: str) -> dict[str, int]:
    """Apply them to the model in place; returns how often each applied."""
    from onnx_ir.passes.common import RemoveUnusedNodesPass

    applied = {step.__name__: step(model) for step in steps(spec, activations)}
    RemoveUnusedNodesPass()(model)
    return {name: count for name, count in applied.items() if count}

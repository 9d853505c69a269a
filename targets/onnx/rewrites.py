"""The order of the rewrites after torch's export; each is exact and lies in a module of its kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from edgeship.targets.onnx import around_layers, dynamic_int8, float_layers, static_int8, weights
from edgeship.toolchain.api import FLOAT16, QuantSpec

if TYPE_CHECKING:
    import onnx_ir as ir

Rewrite = Callable[["ir.Model"], int]


def steps(spec: QuantSpec, activations: str) -> list[Rewrite]:
    """The rewrites of one quantization spec, in order."""
    chosen: list[Rewrite] = [static_int8.pool_spatial_means]
    if spec.has("static"):
        chosen += [
            around_layers.count_valid_elements,
            around_layers.pad_in_convolutions,  # before the pairs that it brings together are dropped
            static_int8.drop_repeated_pairs,
            static_int8.drop_implied_clips,
            float_layers.dequantize_weights_at_load,
            static_int8.quantize_biases,  # before the zero points move: it reads scales only
        ]
        if activations == "uint8":
            chosen.append(static_int8.activations_to_uint8)
        chosen += [around_layers.clip_integers, around_layers.pad_integers]  # after the zero points moved
        chosen.append(float_layers.keep_float_layers)  # after the zero points moved
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

    applied = {}
    for step in steps(spec, activations):
        applied[step.__name__] = step(model)
        RemoveUnusedNodesPass()(model)  # no step sees what the ones before it left behind
    return {name: count for name, count in applied.items() if count}

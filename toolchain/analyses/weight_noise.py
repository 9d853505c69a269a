"""Leaves in float the layers whose weights int8 rounds most."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import Field

from edgeship.toolchain.api import Analysis, Context, Findings

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram

INT8_MAX = 127


class WeightNoise(Analysis):
    """Names, for the pass's `parts`, the layers whose weights int8 per channel keeps with less than `min_sqnr_db`."""

    min_sqnr_db: float = Field(30.0, description="SQNR of a layer's rounded weights below which it stays in float")
    most: int = Field(4, ge=0, description="how many layers may stay in float, the noisiest first")

    def decide(self, program: ExportedProgram, context: Context) -> Findings:
        """Reads the weights alone: a first look, cheaper than running the model once per layer."""
        noisy = sorted((sqnr_db(weight), layer) for layer, weight in _weights(program).items())
        chosen = [(found, layer) for found, layer in noisy if found < self.min_sqnr_db][: self.most]
        return Findings(
            {"parts": [[layer, "float32"] for _, layer in chosen]} if chosen else {},
            tuple(f"{layer}: int8 keeps its weights with {found:.1f} dB" for found, layer in chosen),
        )


def sqnr_db(weight: torch.Tensor) -> float:
    """Signal to quantization noise of a weight [out, …] rounded to symmetric int8 per output channel."""
    rows = weight.detach().float().reshape(len(weight), -1)
    scale = rows.abs().amax(dim=1, keepdim=True).clamp_min(1e-12) / INT8_MAX
    noise = float((rows - (rows / scale).round() * scale).square().sum())
    return 10 * math.log10(float(rows.square().sum()) / noise) if noise else math.inf


def _weights(program: ExportedProgram) -> dict[str, torch.Tensor]:
    """The weights of convolutions and linear layers by the path of their module."""
    parameters = program.named_parameters()
    paths = {name.removeprefix("model.").rpartition(".")[0]: value for name, value in parameters if value.dim() >= 2}
    return {path: value for path, value in paths.items() if path}

"""The names an outsider may import; everything else is private."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeship.toolchain.artifact import Artifact, Placement, Quantization, Runtime, Tensor, digest, size_bytes
from edgeship.toolchain.build.store import default_root as cache_root
from edgeship.toolchain.errors import (
    CrashError,
    DataError,
    DeviceError,
    EdgeshipError,
    ExportError,
    MissingError,
    RecipeError,
    UnsupportedError,
    missing_extra,
)
from edgeship.toolchain.link import JobFiles, Link
from edgeship.toolchain.model.culprit import conversion_error, first_line
from edgeship.toolchain.model.program import export, folded
from edgeship.toolchain.plugin import (
    Context,
    Dataset,
    Device,
    Metric,
    ModulePass,
    ModuleToProgramPass,
    Need,
    Pass,
    Plugin,
    ProgramPass,
    Signature,
    Target,
)
from edgeship.toolchain.protocol.machine import DeviceFacts
from edgeship.toolchain.protocol.messages import Job, Mode, Result, Transport
from edgeship.toolchain.quant import FLOAT16, FLOAT32, W8_WEIGHTS, W8A8_DYNAMIC, W8A8_STATIC, QuantSpec
from edgeship.toolchain.quant import parse as parse_spec
from edgeship.toolchain.references import load_callable, source_file
from edgeship.toolchain.registry import runtime_info
from edgeship.toolchain.runtime import TIMED, Agent, RuntimeInfo, python_agent
from edgeship.toolchain.samples import Array, Samples, load_samples
from edgeship.toolchain.shell import Shell

if TYPE_CHECKING:
    import torch
    from torch import nn

    from edgeship.toolchain.commands.notebook import Converted

__all__ = [
    "FLOAT16",
    "FLOAT32",
    "TIMED",
    "W8A8_DYNAMIC",
    "W8A8_STATIC",
    "W8_WEIGHTS",
    "Agent",
    "Array",
    "Artifact",
    "Context",
    "CrashError",
    "DataError",
    "Dataset",
    "Device",
    "DeviceError",
    "DeviceFacts",
    "EdgeshipError",
    "ExportError",
    "Job",
    "JobFiles",
    "Link",
    "Metric",
    "MissingError",
    "Mode",
    "ModulePass",
    "ModuleToProgramPass",
    "Need",
    "Pass",
    "Placement",
    "Plugin",
    "ProgramPass",
    "QuantSpec",
    "Quantization",
    "RecipeError",
    "Result",
    "Runtime",
    "RuntimeInfo",
    "Samples",
    "Shell",
    "Signature",
    "Target",
    "Tensor",
    "Transport",
    "UnsupportedError",
    "cache_root",
    "conversion_error",
    "convert",
    "digest",
    "export",
    "first_line",
    "folded",
    "load_callable",
    "load_samples",
    "missing_extra",
    "parse_spec",
    "python_agent",
    "runtime_info",
    "size_bytes",
    "source_file",
]


def convert(
    module: nn.Module,
    inputs: Mapping[str, torch.Tensor] | Sequence[torch.Tensor],
    targets: Sequence[str] | Mapping[str, Mapping[str, Any]],
    *,
    calibration: Any = None,
    evaluation: Any = None,
    variants: Mapping[str, Sequence[Any]] | None = None,
    metric: str | Mapping[str, Any] | None = None,
    dynamic: Mapping[str, tuple[int, int]] | None = None,
    measure: bool = False,
    folder: Path | str = "runs",
) -> list[Converted]:
    """Convert a live module: the job of `edgeship run`, through the same pipeline.

    `inputs` are example tensors, batch 1, by name or in order. `targets` are names, or names with options.
    `calibration` and `evaluation` are what a recipe's data function may return: a DataLoader, a Dataset, a generator or
    list of batches or single samples (a tensor, a tuple of inputs and maybe labels, or a dict), or one of these whole.
    `variants` default to float, and int8 static where there is calibration data. `dynamic` bounds dimensions:
    {"batch": (1, 8)} is every input's first axis, {"ids.1": (1, 128)} one input's.
    Raises RecipeError, DataError, SourceError, MissingError before work starts; a failed line says so in its verdict.
    """
    from edgeship.toolchain.commands import notebook as live

    chosen = variants or ({"float": [], "int8": ["quantize-static"]} if calibration is not None else {"float": []})
    return live.convert(
        module, inputs, targets, calibration, evaluation, chosen, metric, dict(dynamic or {}), measure, Path(folder),
        lambda event: None,
    )  # fmt: skip

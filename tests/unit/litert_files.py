"""Executing .tflite bytes in the tests of the LiteRT target."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter

from edgeship.targets.litert.target import LiteRT
from edgeship.toolchain.api import Artifact, Context, QuantSpec, Samples

if TYPE_CHECKING:
    from torch.export import ExportedProgram


def make(
    program: ExportedProgram, context: Context, spec: QuantSpec, out: Path, **options: str
) -> tuple[Artifact, Path]:
    """Export with the target's options; returns the artifact and its file."""
    from dataclasses import replace

    out.mkdir(exist_ok=True)
    artifact = LiteRT(**options).export(program, out, replace(context, spec=spec))
    return artifact, out / artifact.file


def run(file: Path, samples: Samples, output: str = "output") -> torch.Tensor:
    """One output for every sample, float32."""
    runner = Interpreter(str(file), num_threads=1).get_signature_runner()
    dtypes = {name: details["dtype"] for name, details in runner.get_input_details().items()}
    rows = []
    for index in range(len(samples)):
        row = dict(zip(samples.inputs, samples.row(index), strict=True))
        answer = runner(**{name: value.astype(dtypes[name]) for name, value in row.items()})
        rows.append(np.array(answer[output], np.float32))
    return torch.from_numpy(np.concatenate(rows))

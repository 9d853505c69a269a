"""The private parts of torch.export (torch 2.14) that edgeship stands on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram


def program_from_torchscript(module: torch.jit.ScriptModule, example: tuple[torch.Tensor, ...]) -> ExportedProgram:
    """TorchScript as an exported program; raises whatever torch raises on operators and control flow it lacks."""
    from torch._export.converter import TS2EPConverter

    return TS2EPConverter(module, example).convert()

"""The private parts of torch 2.14 that the TorchScript target stands on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def per_channel_tensor(values: torch.Tensor, scales: torch.Tensor, axis: int) -> torch.Tensor:
    """int8 `values` as a symmetric per-channel quantized tensor, without rounding through float."""
    import torch

    zeros = torch.zeros_like(scales, dtype=torch.int64)
    return torch._make_per_channel_quantized_tensor(values, scales.double(), zeros, axis)


def has_vnni() -> bool:
    """Whether torch sees AVX-512 VNNI."""
    import torch

    return torch.cpu._is_vnni_supported()


def save_lite(module: torch.jit.ScriptModule, path: Path) -> None:
    """Write the lite interpreter's form (.ptl)."""
    module._save_for_lite_interpreter(str(path))


def load_lite(path: Path) -> torch.nn.Module:
    """Load a .ptl into the lite interpreter."""
    from torch.jit.mobile import _load_for_lite_interpreter

    return _load_for_lite_interpreter(str(path))  # type: ignore[no-untyped-call,no-any-return]

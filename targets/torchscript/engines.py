"""torch's engines of int8 kernels: which one a file is for, how it is selected, and what it does not compute."""

from __future__ import annotations

import functools
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from edgeship.targets.torchscript.upstream import has_vnni

Engine = Literal["qnnpack", "onednn", "x86"]

SIGMOID = (1 / 256, 0)
"""Scale and uint8 zero point of the only sigmoid that QNNPACK computes."""


def engine_of(chosen: str, lite: bool, saturates: bool = False) -> Engine:
    """What executes a file: the engine that was chosen; by default what phones have, or for servers an exact one.

    torch's own choice on x86 is no default: it sums products in 16 bits, which saturate. Depthwise convolutions
    suffer most: two networks answered 24.3 and 15.5 dB under it and 34.9 and 34.9 under onednn. On a processor where
    onednn does the same (`saturates`) qnnpack is the exact one: a convolution is 57 steps off under onednn there.
    """
    if chosen == "default":
        return "qnnpack" if lite or saturates else "onednn"
    if chosen not in ("qnnpack", "onednn", "x86"):
        raise ValueError(f"{chosen} is no engine of torch")
    return chosen  # type: ignore[return-value]


@functools.cache
def onednn_saturates() -> bool:
    """Whether onednn's int8 products saturate on this processor: x86 without VNNI."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    about = Path("/proc/cpuinfo")
    return "vnni" not in about.read_text() if about.exists() else not has_vnni()


@contextmanager
def selected(engine: Engine) -> Iterator[None]:
    """Let torch pack weights for this engine and compute with it; RuntimeError where this torch does not have it."""
    import torch

    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = engine
    try:
        yield
    finally:
        torch.backends.quantized.engine = before


def opened(path: Path) -> Any:
    """The script in a file, its int8 weights packed by the first engine that takes them, the likely one before.

    RuntimeError or ValueError where none does.
    """
    import torch

    likely = engine_of("default", path.suffix == ".ptl")
    other: Engine = "onednn" if likely == "qnnpack" else "qnnpack"
    try:
        with selected(likely):
            return torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    except RuntimeError:
        with selected(other):
            return torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]


def takes_sigmoid(engine: Engine, scale: float, zero: int) -> bool:
    """Whether the engine computes a sigmoid with this output."""
    return engine != "qnnpack" or (scale, zero) == SIGMOID


def takes_average_pool(engine: Engine, padding: bool, count_include_pad: bool) -> bool:
    """Whether the engine averages as torch does: QNNPACK divides by the whole window at every border."""
    return engine != "qnnpack" or not padding or count_include_pad


def takes_convolution(engine: Engine, dims: int, transposed: bool, groups: int) -> bool:
    """Whether the engine computes a convolution with weights per channel, and its packed weights can be saved.

    Transposed ones only QNNPACK has, and not in groups; its packed 3-D weights cannot be saved.
    """
    if transposed:
        return engine == "qnnpack" and groups == 1
    return engine != "qnnpack" or dims < 3

"""What the tests of prune, finetune and qat share: the trained digit net as a pass gets it, and its accuracy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from edgeship.toolchain.api import Context, Signature, Tensor
from edgeship.toolchain.model.program import flatten
from tests.models import digit_data, digit_net

SIGNATURE = Signature(
    (Tensor(name="image", dtype="float32", shape=("batch", 1, 8, 8)),),
    (Tensor(name="logits", dtype="float32", shape=("batch", 10)),),
    {"batch": (1, 600)},
)


def module() -> torch.nn.Module:
    """The float model: flat, trained, in eval mode."""
    return flatten(digit_net()[0], 1).eval()


@dataclass
class Said:
    """What a pass told the user."""

    warnings: list[str] = field(default_factory=list)
    progress: list[str] = field(default_factory=list)


def context(scratch: Path = Path(), said: Said | None = None, **changes: Any) -> Context:
    """A context over the digit net with training and calibration data."""
    said = said or Said()
    train, _ = digit_data()
    values: dict[str, Any] = {
        "signature": SIGNATURE,
        "example": digit_net()[1],
        "training": train,
        "calibration": train.take(range(64)),
        "teacher": module,
        "scratch": scratch,
        "warn": said.warnings.append,
        "progress": said.progress.append,
    }
    return Context(**{**values, **changes})


def answers(model: Callable[..., Any]) -> torch.Tensor:
    """Logits of the test images."""
    with torch.no_grad():
        result: torch.Tensor = model(torch.from_numpy(digit_data()[1].inputs["image"][:, 0]))[0]
    return result


def accuracy(model: Callable[..., Any]) -> float:
    """Share of test images that are recognized."""
    labels = digit_data()[1].labels
    return float((answers(model).argmax(1) == torch.as_tensor(labels)).float().mean())


def sqnr_db(reference: torch.Tensor, given: torch.Tensor) -> float:
    """Signal energy by error energy, in dB."""
    return float(10 * torch.log10(reference.square().sum() / (reference - given).square().sum()))

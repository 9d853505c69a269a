"""What an artifact is judged against."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from edgeship.toolchain.floor import Floor
from edgeship.toolchain.judge.task import Task
from edgeship.toolchain.quant import QuantSpec
from edgeship.toolchain.samples import Array, Samples


@dataclass(frozen=True)
class Stream:
    """The program's outputs on the first samples with its state fed back: output name → input name of the state."""

    expected: dict[str, Array]
    feedback: dict[str, str]


@dataclass(frozen=True)
class Case:
    """What an artifact is judged against. Arrays are [n, *shape] by output name."""

    spec: QuantSpec
    samples: Samples
    expected: dict[str, Array]
    """The program's outputs on the first samples."""
    reference: dict[str, Array]
    """The float model's outputs on all samples."""
    program: Literal["the model", "a changed model", "unknown"] = "the model"
    """What the artifact's own program is: the model's, one that was pruned or trained on and is meant to differ from
    it, or, of a file made elsewhere, unknown: then `expected` is the float model's answer and quantization is allowed
    its loss."""
    task: Task | None = None
    resized: tuple[Samples, dict[str, Array]] | None = None
    """One sample at another size of the dynamic dimensions, and the program's outputs for it."""
    stream: Stream | None = None
    floor: Floor | None = None
    """What noise does to the program; None: unknown, the limits are fixed."""
    min_sqnr_db: dict[str, float] = field(default_factory=dict)
    slow_samples: int = 2

"""What becomes of a plan: built, or stopped on the way; and what is told meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgeship.toolchain.artifact import Artifact
from edgeship.toolchain.errors import EXIT_LINE_FAILED, EdgeshipError, UnsupportedError
from edgeship.toolchain.floor import Floor
from edgeship.toolchain.plugin import Signature
from edgeship.toolchain.recipe.plan import Plan


@dataclass(frozen=True)
class Event:
    """Something a user may want to see: the line (or model, or pass) it belongs to, and what happens.

    `progress` names a stage, `spent` is its Timing as JSON, `ended` its end; `measuring` names a launch; `done`,
    `failed` and `unsupported` are the last that is said of a line before it is measured.
    """

    line: str
    kind: Literal["progress", "ended", "spent", "measuring", "warning", "done", "failed", "unsupported"]
    text: str


@dataclass(frozen=True)
class Reference:
    """A float model's outputs on its samples, as files."""

    samples: Path
    outputs: Path
    signature: Signature


@dataclass(frozen=True)
class Comparison:
    """What an artifact's outputs are compared with, as files."""

    samples: Path
    """What it is executed on."""
    reference: Path
    """The float model's outputs on all samples."""
    expected: Path
    """The program's outputs on the first samples."""
    resized: tuple[Path, Path] | None
    """One sample at another size of the dynamic dimensions, and the program's outputs for it."""
    stream: Path | None
    """The program's outputs on the first samples with its state fed back."""
    floor: Floor | None
    """What noise does to the program; None where that could not be measured."""
    digest: str
    """Of all these."""


@dataclass(frozen=True)
class Built:
    """A plan's artifact, as it lies in the store's `folder`, and what to compare it with."""

    plan: Plan
    folder: Path
    artifact: Artifact
    signature: Signature
    comparison: Comparison
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Stopped:
    """A plan that came to no end: where it stopped and why."""

    plan: Plan
    status: Literal["failed", "unsupported"]
    stage: str
    reason: str
    hint: str = ""
    warnings: tuple[str, ...] = ()
    artifact: Artifact | None = None
    """What was built before it stopped."""
    exit_code: int = EXIT_LINE_FAILED
    """Of the error that stopped it: the recipe's, the machine's, or the line's own."""


def stopped(
    plan: Plan, stage: str, error: Exception, warnings: tuple[str, ...], artifact: Artifact | None = None
) -> Stopped:
    """What to record of a line that an error stopped at a stage."""
    status: Literal["failed", "unsupported"] = "unsupported" if isinstance(error, UnsupportedError) else "failed"
    reason = str(error) or type(error).__name__
    if not isinstance(error, EdgeshipError):
        reason = f"{type(error).__name__}: {reason}"
    code = error.exit_code if isinstance(error, EdgeshipError) else EXIT_LINE_FAILED
    return Stopped(plan, status, stage, reason, getattr(error, "hint", ""), warnings, artifact, code)

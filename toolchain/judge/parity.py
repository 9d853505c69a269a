"""How near two sets of outputs are: SQNR, cosine, largest difference, top-1 agreement; never fooled by dead outputs."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from edgeship.toolchain.samples import Array

MAX_SQNR_DB = 200.0
"""Reported for outputs that are equal bit by bit: JSON has no infinity."""


class Parity(BaseModel):
    """Outputs of an artifact against expected ones; of several outputs and samples the worst counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    samples: int
    sqnr_db: float = Field(description="10 log10(signal power / error power) over all samples, the worst output's")
    worst_sample_sqnr_db: float = Field(description="the same of the worst single sample and output")
    cosine: float = Field(description="cosine similarity over all samples, the worst output's")
    max_abs: float
    top1_agreement: float | None = Field(None, description="share of samples with the same argmax of the first output")
    worst_output: str = ""
    problems: tuple[str, ...] = Field((), description="why these figures are no agreement, whatever they say")


def sqnr_db(expected: Array, actual: Array) -> float:
    """Signal-to-quantization-noise ratio in decibel: 10 log10(Σ expected² / Σ (expected − actual)²)."""
    reference = expected.astype(np.float64)
    noise = float(np.sum((reference - actual.astype(np.float64)) ** 2))
    signal = float(np.sum(reference**2))
    if not np.isfinite(noise):
        return -MAX_SQNR_DB
    if noise == 0:
        return MAX_SQNR_DB
    if signal == 0:
        return -MAX_SQNR_DB
    return float(np.clip(10 * np.log10(signal / noise), -MAX_SQNR_DB, MAX_SQNR_DB))


def cosine(expected: Array, actual: Array) -> float:
    """Cosine of the angle between two arrays taken as vectors; 0 when one of them is zero or not finite."""
    a, b = expected.astype(np.float64).ravel(), actual.astype(np.float64).ravel()
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b / norm) if norm > 0 and np.isfinite(norm) else 0.0


def compare(expected: dict[str, Array], actual: dict[str, Array]) -> Parity:
    """Compare outputs by name, [n, *shape] each; `actual` must have every name of `expected` with its shape."""
    problems = [f"output {name!r} is missing" for name in expected if name not in actual]
    figures: list[tuple[float, float, float, float, str]] = []
    samples = len(next(iter(expected.values())))
    agreement = None
    for index, (name, reference) in enumerate(expected.items()):
        if name not in actual:
            continue
        answer = actual[name]
        if answer.shape != reference.shape:
            problems.append(f"output {name!r} has shape {list(answer.shape[1:])}, expected {list(reference.shape[1:])}")
            continue
        problems += _degenerate(name, reference, answer)
        total = sqnr_db(reference, answer)
        per_sample = [sqnr_db(a, b) for a, b in zip(reference, answer, strict=True) if np.any(a)]
        difference = np.abs(reference.astype(np.float64) - answer.astype(np.float64))
        largest = float(np.nanmax(difference)) if difference.size and not np.all(np.isnan(difference)) else 0.0
        figures.append((total, min(per_sample, default=total), cosine(reference, answer), largest, name))
        if index == 0 and reference.ndim >= 2 and reference[0].size > 1 and np.isfinite(answer).all():
            same = reference.reshape(samples, -1).argmax(1) == answer.reshape(samples, -1).argmax(1)
            agreement = float(np.mean(same))
    if not figures:
        return Parity(
            samples=samples, sqnr_db=-MAX_SQNR_DB, worst_sample_sqnr_db=-MAX_SQNR_DB, cosine=0, max_abs=0,
            problems=tuple(problems),
        )  # fmt: skip
    worst = min(figures)
    return Parity(
        samples=samples,
        sqnr_db=worst[0],
        worst_sample_sqnr_db=min(figure[1] for figure in figures),
        cosine=min(figure[2] for figure in figures),
        max_abs=max(figure[3] for figure in figures),
        top1_agreement=agreement,
        worst_output=worst[4],
        problems=tuple(problems),
    )


def _degenerate(name: str, reference: Array, answer: Array) -> list[str]:
    """Outputs that agree with nothing: not finite, all zero, or the same for every input."""
    finite = np.isfinite(answer.astype(np.float64)).reshape(len(answer), -1).all(1)
    if not finite.all():
        return [f"output {name!r} is NaN or infinite on {int((~finite).sum())} of {len(answer)} samples"]
    if not np.any(reference):
        return [f"the expected output {name!r} is zero everywhere: it proves nothing"]
    if not np.any(answer):
        return [f"output {name!r} is zero everywhere"]
    if len(answer) > 1 and np.all(answer == answer[:1]):
        if np.all(reference == reference[:1]):
            return [f"the expected output {name!r} is the same for every sample: it proves nothing"]
        return [f"output {name!r} is the same for every input"]
    return []

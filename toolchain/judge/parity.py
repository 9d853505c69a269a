"""How near two sets of outputs are, output by output: SQNR, cosine, and how much they depend on the inputs at all."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from edgeship.toolchain.samples import Array
from edgeship.toolchain.stats import MAX_SQNR_DB, cosine, decibel, rms, sqnr_db, without_mean


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OutputParity(_Record):
    """One output of an artifact against the expected one.

    `spread` is what the output owes to its input: the RMS of what is left when its mean over the samples is removed.
    """

    name: str
    sqnr_db: float = Field(description="10 log10(signal power / error power) over all samples")
    worst_sample_sqnr_db: float
    cosine: float
    max_abs: float = Field(description="the largest difference")
    magnitude: float = Field(description="RMS of the expected output")
    answer_magnitude: float = Field(description="RMS of the artifact's output")
    value_range: float = Field(description="from the expected output's smallest to its largest value, zero included")
    spread: float | None = Field(None, description="of the expected output; absent for a single sample")
    varying_sqnr_db: float | None = Field(None, description="SQNR of what is left when both means are removed")
    variation: float | None = Field(None, description="the artifact's spread ÷ the expected one's, on the same samples")

    @property
    def constancy_db(self) -> float | None:
        """The SQNR that the expected output's own mean would reach as an answer; None for a single sample."""
        return None if self.spread is None else decibel(self.magnitude**2, self.spread**2)


class Parity(_Record):
    """Outputs of an artifact against expected ones; of several outputs and samples the worst counts."""

    samples: int
    sqnr_db: float = Field(description="10 log10(signal power / error power) over all samples, the worst output's")
    worst_sample_sqnr_db: float = Field(description="the same of the worst single sample and output")
    cosine: float = Field(description="cosine similarity over all samples, the worst output's")
    max_abs: float
    top1_agreement: float | None = Field(None, description="share of samples with the same argmax of the first output")
    worst_output: str = ""
    problems: tuple[str, ...] = Field((), description="why there is nothing to compare: missing, misshapen, not finite")
    outputs: tuple[OutputParity, ...] = ()


def compare(expected: dict[str, Array], actual: dict[str, Array]) -> Parity:
    """Compare outputs by name, [n, *shape] each; `actual` must have every name of `expected` with its shape.

    `expected` may have more samples than were run: only the first are compared, all tell how much the outputs vary.
    """
    problems = [f"output {name!r} is missing" for name in expected if name not in actual]
    outputs: list[OutputParity] = []
    count = len(next(iter(actual.values()))) if actual else len(next(iter(expected.values())))
    agreement = None
    for index, (name, wanted) in enumerate(expected.items()):
        if name not in actual:
            continue
        reference, answer = wanted[:count], actual[name]
        if answer.shape != reference.shape:
            problems.append(f"output {name!r} has shape {list(answer.shape[1:])}, expected {list(reference.shape[1:])}")
            continue
        finite = np.isfinite(answer.astype(np.float64)).reshape(count, -1).all(1)
        if not finite.all():
            problems.append(f"output {name!r} is NaN or infinite on {int((~finite).sum())} of {count} samples")
        outputs.append(_output(name, wanted, reference, answer))
        if index == 0 and reference.ndim >= 2 and reference[0].size > 1 and finite.all():
            same = reference.reshape(count, -1).argmax(1) == answer.reshape(count, -1).argmax(1)
            agreement = float(np.mean(same))
    if not outputs:
        return Parity(
            samples=count, sqnr_db=-MAX_SQNR_DB, worst_sample_sqnr_db=-MAX_SQNR_DB, cosine=0, max_abs=0,
            problems=tuple(problems),
        )  # fmt: skip
    worst = min(outputs, key=lambda output: output.sqnr_db)
    return Parity(
        samples=count,
        sqnr_db=worst.sqnr_db,
        worst_sample_sqnr_db=min(output.worst_sample_sqnr_db for output in outputs),
        cosine=min(output.cosine for output in outputs),
        max_abs=max(output.max_abs for output in outputs),
        top1_agreement=agreement,
        worst_output=worst.name,
        problems=tuple(problems),
        outputs=tuple(outputs),
    )


def _output(name: str, wanted: Array, reference: Array, answer: Array) -> OutputParity:
    """One output's figures; `reference` is the part of `wanted` that was answered."""
    total = sqnr_db(reference, answer)
    per_sample = [sqnr_db(a, b) for a, b in zip(reference, answer, strict=True) if np.any(a)]
    difference = np.abs(reference.astype(np.float64) - answer.astype(np.float64))
    values = wanted.astype(np.float64)
    largest = float(np.nanmax(difference)) if difference.size and not np.all(np.isnan(difference)) else 0.0
    varying = variation = None
    if len(reference) > 1:
        with np.errstate(invalid="ignore", over="ignore"):
            ours, theirs = without_mean(answer), without_mean(reference)
        varying = sqnr_db(theirs, ours)
        variation = rms(ours) / rms(theirs) if rms(theirs) and np.isfinite(ours).all() else None
    return OutputParity(
        name=name,
        sqnr_db=total,
        worst_sample_sqnr_db=min(per_sample, default=total),
        cosine=cosine(reference, answer),
        max_abs=largest if np.isfinite(largest) else float(np.finfo(np.float64).max),
        magnitude=rms(values),
        answer_magnitude=min(rms(answer.astype(np.float64)), float(np.finfo(np.float64).max)),
        value_range=float(max(values.max(initial=0), 0) - min(values.min(initial=0), 0)),
        spread=rms(without_mean(wanted)) if len(wanted) > 1 else None,
        varying_sqnr_db=varying,
        variation=variation,
    )

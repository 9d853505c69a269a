"""Two files on one device: how much the candidate costs beside the baseline, and what may be concluded from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from edgeship.toolchain import stats
from edgeship.toolchain.errors import RecipeError
from edgeship.toolchain.protocol.messages import Result
from edgeship.toolchain.protocol.run import Instructions

Quantity = Literal["latency", "cold-start", "instructions"]
Verdict = Literal["regression", "improvement", "no change", "inconclusive", "more", "fewer", "same"]
THRESHOLDS = {"latency": 0.05, "cold-start": 0.10, "instructions": 0.01}
"""Effects that matter, as a share (docs/measuring.md)."""
FEWEST_PAIRS = 5
"""Below these an interval says nothing."""
MOST_CHANCE = 0.05
"""How likely a verdict of one run may be wrong where nothing changed."""


class Comparison(BaseModel):
    """Candidate ÷ baseline: the geometric mean over pairs of launches, or of two exact counts."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    schema_: Literal["edgeship-compare/1"] = Field("edgeship-compare/1", alias="schema")
    device: str
    baseline: str
    candidate: str
    quantity: Quantity
    verdict: Verdict
    reason: str | None = Field(None, description="why nothing can be concluded")
    ratio: float
    interval: tuple[float, float] | None = Field(None, description="95%; absent where the figures are exact")
    threshold: float = Field(description="an effect below this share does not matter")
    detectable: float | None = Field(
        None, description="the smallest effect that these pairs find in four of five tries"
    )
    pairs: int = Field(0, description="launches of each file; 0: counted, not timed")
    together: int = Field(1, description="comparisons of the same run, whose chance of a false verdict is kept at 5%")
    figures: tuple[float, float] = Field(description="the baseline's and the candidate's: ns, or instructions")
    size_bytes: tuple[int, int]
    flags: list[str] = Field(default_factory=list)


def conclusion(
    candidate: Sequence[float], baseline: Sequence[float], threshold: float, chance: float | None = None
) -> tuple[Verdict, float, tuple[float, float] | None, float | None]:
    """Verdict, ratio, its 95% interval and the detectable effect, of the medians of pairs of launches.

    A regression is an interval above 1 whose effect exceeds the threshold; no change one that lies within ± the
    threshold as a whole; all else is inconclusive. Paired log-ratios, Student's t (docs/measuring.md). `chance` is the
    p value where it was adjusted for other comparisons beside this one; otherwise its own.
    """
    ratio, interval = stats.paired_ratio(candidate, baseline)
    if interval is None or len(candidate) < FEWEST_PAIRS:
        return "inconclusive", ratio, interval, None
    (low, high), most = interval, 1 + threshold
    detectable = stats.detectable_effect(candidate, baseline)
    differs = (stats.chance(candidate, baseline) if chance is None else chance) < MOST_CHANCE
    if differs and ratio > most:
        return "regression", ratio, interval, detectable
    if differs and ratio < 1 / most:
        return "improvement", ratio, interval, detectable
    inside = 1 / most < low and high < most
    return "no change" if inside else "inconclusive", ratio, interval, detectable


@dataclass(frozen=True)
class Pair:
    """Two files and what was measured of them in one session, the baseline first."""

    names: tuple[str, str]
    results: tuple[Result, Result]


def of_pairs(pairs: Sequence[Pair], device: str, quantity: Quantity, threshold: float) -> list[Comparison]:
    """Of several pairs of one session; the more there are, the surer each verdict must be (Holm)."""
    medians = [(_medians(pair.results[1], quantity), _medians(pair.results[0], quantity)) for pair in pairs]
    enough = [min(map(len, both)) >= FEWEST_PAIRS and len(both[0]) == len(both[1]) for both in medians]
    own = [stats.chance(*both) if fit else 1.0 for both, fit in zip(medians, enough, strict=True)]
    return [
        of_results(pair.names, device, pair.results, quantity, threshold, chance, len(pairs))
        for pair, chance in zip(pairs, stats.holm(own), strict=True)
    ]


def of_results(
    names: tuple[str, str],
    device: str,
    results: tuple[Result, Result],
    quantity: Quantity,
    threshold: float,
    chance: float | None = None,
    together: int = 1,
) -> Comparison:
    """Of two measured files, the baseline first. RecipeError where they were measured in different ways.

    `chance` and `together`: see `of_pairs`.
    """
    before, after = results
    if different := _differences(before, after):
        raise RecipeError(f"{names[0]} and {names[1]} cannot be compared: {different}", "bench shows them in one table")
    medians = [_medians(result, quantity) for result in results]
    verdict, ratio, interval, detectable = conclusion(medians[1], medians[0], threshold, chance)
    blocking = sorted({flag for r in results if r.validity and not r.validity.valid for flag in r.validity.flags})
    reason = None
    if blocking:
        verdict, reason = "inconclusive", f"flags that forbid a verdict: {', '.join(blocking)}"
    elif verdict == "inconclusive":
        few = len(medians[0]) < FEWEST_PAIRS
        reason = f"fewer than {FEWEST_PAIRS} pairs" if few else "the interval is too wide for this threshold"
    return Comparison(
        device=device,
        baseline=names[0],
        candidate=names[1],
        quantity=quantity,
        verdict=verdict,
        reason=reason,
        ratio=ratio,
        interval=interval,
        threshold=threshold,
        detectable=detectable,
        pairs=len(medians[0]),
        together=together,
        figures=(_middle(medians[0]), _middle(medians[1])),
        size_bytes=(before.artifact.size or 0, after.artifact.size or 0),
        flags=sorted({flag for result in results if result.validity for flag in result.validity.flags}),
    )


def of_counts(
    names: tuple[str, str],
    device: str,
    counts: tuple[Instructions, Instructions],
    size_bytes: tuple[int, int],
    threshold: float,
) -> Comparison:
    """Of two counted files, the baseline first: exact, so neither a regression nor a chance."""
    before, after = (count.total for count in counts)
    ratio = after / before
    verdict: Verdict = "more" if ratio > 1 + threshold else "fewer" if ratio < 1 / (1 + threshold) else "same"
    return Comparison(
        device=device,
        baseline=names[0],
        candidate=names[1],
        quantity="instructions",
        verdict=verdict,
        ratio=ratio,
        threshold=threshold,
        figures=(before, after),
        size_bytes=size_bytes,
    )


def _medians(result: Result, quantity: Quantity) -> list[float]:
    """The figure of each launch in the order of launching."""
    return stats.launch_medians_ns(result) if quantity == "latency" else stats.cold_starts_ns(result)


def _middle(values: Sequence[float]) -> float:
    """The geometric mean: the ratio is of these."""
    return math.exp(sum(math.log(value) for value in values) / len(values))


def _differences(one: Result, other: Result) -> str:
    """In what the ways of measuring differ; empty where they are the same."""
    told = (
        ("agents", one.agent.kind, other.agent.kind),
        ("threads", str(one.runtime.threads), str(other.runtime.threads)),
        ("CPUs", _cpus(one), _cpus(other)),
        ("inputs", _inputs(one), _inputs(other)),
    )
    return "; ".join(f"{name} {a} and {b}" for name, a, b in told if a != b)


def _cpus(result: Result) -> str:
    return ", ".join(map(str, result.config.pin_cpus or [])) or "all"


def _inputs(result: Result) -> str:
    tensors = result.artifact.inputs or []
    return ", ".join("x".join(map(str, tensor.shape)) for tensor in tensors)

"""Raw samples to medians, intervals, flags and comparisons, and how near arrays are: the only place with this maths."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeship.toolchain.protocol.machine import Environment
from edgeship.toolchain.protocol.messages import Result, Validity
from edgeship.toolchain.protocol.run import Run
from edgeship.toolchain.samples import Array

# binomial floors: below them a percentile's upper confidence bound is the maximum (as LoadGen has them)
PERCENTILE_FLOORS = {"p90": 64, "p95": 130, "p99": 662}
MIN_SAMPLES = 20
MIN_PROCESSES = 5
LOW_BATTERY_PCT = 25
STEADY_TOLERANCE = 0.05
BIMODAL_GAP = 0.10
MAX_SQNR_DB = 200.0
"""Reported for outputs that are equal bit by bit: JSON has no infinity."""
BLOCKING = {"OUTPUT_MISMATCH", "DEBUG_BUILD", "EMULATOR", "LOW_BATTERY", "POWER_SAVE", "THERMAL", "BACKGROUND"}


def per_call_ns(run: Run) -> np.ndarray:
    """Latencies of one launch in nanoseconds per call."""
    return np.asarray(run.samples or [], dtype=np.float64) / (run.iterations_per_sample or 1)


def summarize(result: Result) -> dict[str, Any]:
    """Median, tail and interval over launches; percentiles that have too few samples are absent.

    Keys: latency_ns {p50, p90, …, min, iqr}, p50_interval_ns (95% t interval over the launches' medians),
    launches, samples, outliers (Tukey), cold_ns (median of each part), peak_rss_bytes above the agent's baseline.
    """
    runs = [run for run in result.runs if run.error is None]
    summary: dict[str, Any] = {"launches": len(runs)}
    timed = [per_call_ns(run) for run in runs if run.samples]
    if timed:
        pooled = np.concatenate(timed)
        medians = np.array([np.median(samples) for samples in timed])
        quarter, three_quarters = np.percentile(pooled, [25, 75])
        latency = {"p50": float(np.median(medians)), "min": float(pooled.min())}
        latency["iqr"] = float(three_quarters - quarter)
        for name, floor in PERCENTILE_FLOORS.items():
            if len(pooled) >= floor:
                latency[name] = float(np.percentile(pooled, float(name[1:])))
        reach = 1.5 * (three_quarters - quarter)
        summary |= {
            "latency_ns": latency,
            "samples": len(pooled),
            "outliers": int(np.sum((pooled < quarter - reach) | (pooled > three_quarters + reach))),
        }
        if interval := t_interval(np.log(medians)):
            summary["p50_interval_ns"] = [math.exp(bound) for bound in interval]
    cold = _cold(runs)
    if cold:
        summary["cold_ns"] = cold
    peaks = [peak for run in runs if (peak := peak_above_baseline(run)) is not None]
    if peaks:
        summary["peak_rss_bytes"] = int(np.median(peaks))
    return summary


def _cold(runs: Sequence[Run]) -> dict[str, float]:
    parts: dict[str, list[int]] = {}
    for run in runs:
        for name, value in _parts(run).items():
            parts.setdefault(name, []).append(value)
    medians = {name: float(np.median(values)) for name, values in parts.items()}
    if medians:
        medians["total"] = sum(medians.values())
    return medians


def _parts(run: Run) -> dict[str, int]:
    """A launch's cold start by its parts, in nanoseconds."""
    told = run.cold.model_dump(exclude_none=True) if run.cold is not None else {}
    return {name: value for name, value in told.items() if isinstance(value, int)}


def peak_above_baseline(run: Run) -> int | None:
    """Peak bytes of a launch above what its agent took before the runtime was there; in a page only WebAssembly's."""
    if run.memory is None or run.memory.peak is None or run.memory.baseline is None:
        return None
    for counter, before in (("vm_hwm", "vm_rss"), ("wasm_memory", "wasm_memory")):
        peak = run.memory.peak.get(counter)
        baseline = run.memory.baseline.get(counter, run.memory.baseline.get(before))
        if peak is not None and baseline is not None:
            return max(0, peak - baseline)
    return None


def t_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float] | None:
    """Student's t interval of the mean; None below 2 values."""
    from scipy import stats

    if len(values) < 2:
        return None
    half = float(stats.t.ppf(0.5 + level / 2, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values)))
    return float(np.mean(values)) - half, float(np.mean(values)) + half


def share_interval(scores: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Sampling interval of a mean of scores: Wilson's for hits and misses, a percentile bootstrap otherwise."""
    from scipy import stats

    if np.isin(scores, (0.0, 1.0)).all():
        interval = stats.binomtest(int(scores.sum()), len(scores)).proportion_ci(level, method="wilson")
        return float(interval.low), float(interval.high)
    if len(scores) < 2 or np.ptp(scores) == 0:
        return float(scores.mean()), float(scores.mean())
    found = stats.bootstrap((scores,), np.mean, confidence_level=level, method="percentile", rng=0, n_resamples=2000)
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def validity(result: Result, shared_host: bool) -> Validity:
    """The flags of docs/measuring.md; a blocking one makes the result invalid for verdicts."""
    flags: list[str] = list(result.validity.flags) if result.validity else []
    runs = [run for run in result.runs if run.samples]
    if any(run.error for run in result.runs):
        flags.append("INCOMPLETE")
    if runs:
        pooled = np.concatenate([per_call_ns(run) for run in runs])
        if len(pooled) < MIN_SAMPLES:
            flags.append("FEW_SAMPLES")
        if len(runs) == 1:
            flags.append("WITHIN_RUN_ONLY")
        elif len(runs) < MIN_PROCESSES:
            flags.append("FEW_PROCESSES")
        if any(not steady(per_call_ns(run)) for run in runs):
            flags.append("NO_STEADY_STATE")
        if bimodal(pooled):
            flags.append("BIMODAL")
    flags += [flag for run in runs if run.env for flag in _flags_of(run.env[0])]
    if shared_host:
        flags.append("SHARED_HOST")
    unique = sorted(set(flags))
    return Validity(valid=not (BLOCKING | {"FEW_SAMPLES"}) & set(unique), flags=unique)


def _flags_of(state: Environment) -> Iterator[str]:
    """What a machine's state at the begin of a launch says against its figures."""
    if state.thermal not in (None, "none"):
        yield "THERMAL"
    if state.power_save:
        yield "POWER_SAVE"
    if state.charging:
        yield "CHARGING"
    if state.battery_pct is not None and state.battery_pct < LOW_BATTERY_PCT:
        yield "LOW_BATTERY"


def steady(samples: np.ndarray) -> bool:
    """Whether a launch was in a steady state: medians of four blocks and the Theil–Sen drift stay within 5%."""
    from scipy import stats

    if len(samples) < 16:
        return True
    median = float(np.median(samples))
    blocks = [float(np.median(block)) for block in np.array_split(samples, 4)]
    if (max(blocks) - min(blocks)) / median > STEADY_TOLERANCE:
        return False
    thinned = samples[:: max(1, len(samples) // 500)]
    slope = float(stats.theilslopes(thinned)[0]) * len(thinned)
    return abs(slope) / median <= STEADY_TOLERANCE


def bimodal(samples: np.ndarray) -> bool:
    """Whether two modes lie more than 10% apart, each with at least 20% of the samples (a valley between them)."""
    if len(samples) < 40:
        return False
    low, high = np.percentile(samples, [2, 98])
    counts, edges = np.histogram(samples, bins=24, range=(low, high))
    if high <= low * (1 + BIMODAL_GAP):
        return False
    for cut in range(1, len(counts)):
        left, right = counts[:cut], counts[cut:]
        if min(left.sum(), right.sum()) < 0.2 * len(samples):
            continue
        gap = edges[cut + int(right.argmax())] / edges[int(left.argmax())] - 1
        valley = counts[int(left.argmax()) : cut + int(right.argmax()) + 1].min()
        if gap > BIMODAL_GAP and valley < 0.25 * min(left.max(), right.max()):
            return True
    return False


def paired_ratio(candidate: Sequence[float], baseline: Sequence[float]) -> tuple[float, tuple[float, float] | None]:
    """Geometric mean of candidate ÷ baseline over pairs of launches, and its 95% t interval (on log ratios)."""
    logs = _log_ratios(candidate, baseline)
    interval = t_interval(logs)
    return float(math.exp(logs.mean())), None if interval is None else (math.exp(interval[0]), math.exp(interval[1]))


def chance(candidate: Sequence[float], baseline: Sequence[float]) -> float:
    """How likely such pairs are where the two files are equally fast: the two-sided p value of a paired t test."""
    from scipy import stats

    return float(stats.ttest_1samp(_log_ratios(candidate, baseline), 0.0).pvalue)


def holm(chances: Sequence[float]) -> list[float]:
    """p values of several tests that are judged together, each adjusted by Holm's step-down method (1979)."""
    order = np.argsort(chances)
    stepped = np.maximum.accumulate(np.asarray(chances)[order] * np.arange(len(chances), 0, -1))
    adjusted = np.empty(len(chances))
    adjusted[order] = np.minimum(stepped, 1.0)
    return [float(value) for value in adjusted]


def _log_ratios(candidate: Sequence[float], baseline: Sequence[float]) -> NDArray[np.float64]:
    logs: NDArray[np.float64] = np.log(np.asarray(candidate, np.float64)) - np.log(np.asarray(baseline, np.float64))
    return logs


def detectable_effect(candidate: Sequence[float], baseline: Sequence[float], power: float = 0.8) -> float:
    """The smallest effect, as a share, that as many such pairs find with this probability at a 5% level (paired t)."""
    from scipy import stats

    logs = _log_ratios(candidate, baseline)
    freedom = len(logs) - 1
    quantiles = float(stats.t.ppf(0.975, freedom) + stats.t.ppf(power, freedom))
    return math.expm1(quantiles * float(np.std(logs, ddof=1)) / math.sqrt(len(logs)))


def cold_starts_ns(result: Result) -> list[float]:
    """The cold start of each launch, all its parts together, in the order of launching."""
    return [float(sum(_parts(run).values())) for run in result.runs if run.cold is not None]


def launch_medians_ns(result: Result) -> list[float]:
    """The median of each launch, in the order of launching."""
    return [float(np.median(per_call_ns(run))) for run in result.runs if run.samples]


def sqnr_db(expected: Array, actual: Array) -> float:
    """Signal-to-quantization-noise ratio in decibel: 10 log10(Σ expected² / Σ (expected − actual)²)."""
    reference = expected.astype(np.float64)
    return decibel(float(np.sum(reference**2)), float(np.sum((reference - actual.astype(np.float64)) ** 2)))


def decibel(signal: float, noise: float) -> float:
    """10 log10(signal / noise), within ±MAX_SQNR_DB; no noise is the best, no signal or no finite noise the worst."""
    if not np.isfinite(noise):
        return -MAX_SQNR_DB
    if noise == 0:
        return MAX_SQNR_DB
    if signal == 0:
        return -MAX_SQNR_DB
    return float(np.clip(10 * (np.log10(signal) - np.log10(noise)), -MAX_SQNR_DB, MAX_SQNR_DB))


def cosine(expected: Array, actual: Array) -> float:
    """Cosine of the angle between two arrays taken as vectors; 0 when one of them is zero or not finite."""
    a, b = expected.astype(np.float64).ravel(), actual.astype(np.float64).ravel()
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b / norm) if norm > 0 and np.isfinite(norm) else 0.0


def without_mean(array: Array) -> NDArray[np.float64]:
    """What of [n, …] depends on the sample: the mean over the n samples subtracted, exactly 0 where all are equal."""
    values = array.astype(np.float64)
    rest: NDArray[np.float64] = values - values.mean(axis=0)
    return np.where((values == values[:1]).all(axis=0), 0.0, rest)


def rms(values: NDArray[np.float64]) -> float:
    """Root mean square; scaled first, so that the squares of tiny values do not vanish."""
    largest = float(np.abs(values).max(initial=0.0))
    if largest == 0 or not np.isfinite(largest):
        return largest
    return largest * float(np.sqrt(np.mean((values / largest) ** 2)))

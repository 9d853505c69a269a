"""Statistics: known values, honest omissions, and flags that fire and do not fire."""

import json
from pathlib import Path

import numpy as np
import pytest

from edgeship.toolchain import stats
from edgeship.toolchain.protocol.messages import Result

RANDOM = np.random.default_rng(0)


def result(*launches: list[int]) -> Result:
    golden = next((Path(__file__).parents[1] / "golden" / "protocol").glob("*result*.json"))
    document = json.loads(golden.read_text())
    document["runs"] = [{"index": i, "samples": samples} for i, samples in enumerate(launches)]
    document.pop("summary", None)
    document.pop("validity", None)
    return Result.model_validate(document)


def samples(count: int, centre: float = 1e6, spread: float = 0.01) -> list[int]:
    return [int(v) for v in centre * (1 + spread * RANDOM.standard_normal(count))]


def test_the_median_is_that_of_launch_medians_and_short_runs_have_no_tail() -> None:
    summary = stats.summarize(result([100, 100, 100], [200, 200, 200], [300, 300, 300]))
    assert summary["latency_ns"]["p50"] == 200
    assert "p90" not in summary["latency_ns"]
    assert summary["launches"] == 3


@pytest.mark.parametrize(("count", "tail"), [(64, "p90"), (130, "p95"), (662, "p99")])
def test_a_percentile_needs_its_binomial_floor(count: int, tail: str) -> None:
    assert tail in stats.summarize(result(samples(count)))["latency_ns"]
    assert tail not in stats.summarize(result(samples(count - 1)))["latency_ns"]


def test_batched_calls_count_singly() -> None:
    batched = result([1000, 1000])
    batched.runs[0].iterations_per_sample = 10
    assert stats.summarize(batched)["latency_ns"]["p50"] == 100


def test_hits_have_a_wilson_interval_and_scores_a_bootstrap_one() -> None:
    low, high = stats.share_interval(np.array([1.0] * 95 + [0.0] * 5))
    assert (round(low, 3), round(high, 3)) == (0.888, 0.978)
    scores = RANDOM.uniform(0, 1, 200)
    low, high = stats.share_interval(scores)
    assert low < scores.mean() < high
    assert high - low < 0.1


def test_flags_fire_where_they_should() -> None:
    quiet = [samples(200) for _ in range(5)]
    assert stats.validity(result(*quiet), shared_host=False).flags == []
    assert "WITHIN_RUN_ONLY" in stats.validity(result(quiet[0]), shared_host=False).flags
    assert "FEW_PROCESSES" in stats.validity(result(*quiet[:3]), shared_host=False).flags
    assert "SHARED_HOST" in stats.validity(result(*quiet), shared_host=True).flags
    few = stats.validity(result([100, 101, 102]), shared_host=False)
    assert "FEW_SAMPLES" in few.flags
    assert not few.valid
    drifting = [int(1e6 * (1 + i / 1000)) for i in range(200)]
    assert "NO_STEADY_STATE" in stats.validity(result(drifting), shared_host=False).flags
    two_modes = samples(100) + samples(100, 1.4e6)
    RANDOM.shuffle(two_modes)
    assert "BIMODAL" in stats.validity(result(two_modes), shared_host=False).flags


def test_a_paired_ratio_sees_an_effect_through_drift() -> None:
    drift = np.linspace(1, 1.3, 10)
    baseline = drift * (1 + 0.005 * RANDOM.standard_normal(10))
    ratio, interval = stats.paired_ratio(list(baseline * 1.05), list(baseline))
    assert ratio == pytest.approx(1.05)
    assert interval is not None
    noisy, interval = stats.paired_ratio(list(drift * 1.08 * (1 + 0.01 * RANDOM.standard_normal(10))), list(drift))
    assert interval is not None
    assert interval[0] < noisy < interval[1]
    assert interval[0] > 1.05

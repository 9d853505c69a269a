"""Verdicts on two files: what an interval allows to say, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from edgeship.toolchain.commands.compare import exit_code
from edgeship.toolchain.errors import RecipeError
from edgeship.toolchain.measure.comparison import (
    Comparison,
    Pair,
    conclusion,
    of_counts,
    of_pairs,
    of_results,
)
from edgeship.toolchain.protocol.machine import Cpu, DeviceFacts, OperatingSystem
from edgeship.toolchain.protocol.messages import (
    Agent,
    Config,
    Result,
    ResultArtifact,
    ResultRuntime,
    TensorInfo,
    Validity,
)
from edgeship.toolchain.protocol.run import Cold, Instructions, Run
from edgeship.toolchain.report.terminal.comparison import comparison_view, comparisons_view
from edgeship.toolchain.stats import holm

NAMES = ("old", "new")


def launches(effect: float, spread: float, pairs: int, seed: int = 0) -> tuple[list[float], list[float]]:
    """Medians of both files' launches on a machine that drifts by 6%, in turn."""
    random = np.random.default_rng(seed)
    drift = 1 + 0.06 * np.linspace(0, 1, pairs)
    before = 1e6 * drift * np.exp(random.normal(0, spread, pairs))
    after = 1e6 * effect * drift * np.exp(random.normal(0, spread, pairs))
    return list(after), list(before)


@pytest.mark.parametrize(
    ("effect", "spread", "pairs", "verdict"),
    [
        (1.00, 0.01, 20, "no change"),
        (1.02, 0.01, 20, "no change"),
        (1.10, 0.01, 20, "regression"),
        (0.90, 0.01, 20, "improvement"),
        (1.00, 0.20, 20, "inconclusive"),
        (1.30, 0.01, 4, "inconclusive"),
    ],
)
def test_a_verdict_is_what_the_interval_allows(effect: float, spread: float, pairs: int, verdict: str) -> None:
    assert conclusion(*launches(effect, spread, pairs), 0.05)[0] == verdict


def test_identical_files_are_hardly_ever_told_apart_and_effects_are_found() -> None:
    same = [conclusion(*launches(1.0, 0.03, 20, seed), 0.05)[0] for seed in range(300)]
    assert sum(verdict in ("regression", "improvement") for verdict in same) <= 3
    slower = [conclusion(*launches(1.08, 0.02, 20, seed), 0.05)[0] for seed in range(100)]
    assert sum(verdict == "regression" for verdict in slower) >= 98
    assert "improvement" not in slower


def test_what_is_detectable_is_found_in_four_of_five_tries() -> None:
    effects = [conclusion(*launches(1.0, 0.03, 20, seed), 0.0)[3] for seed in range(100)]
    detectable = float(np.median([effect for effect in effects if effect is not None]))
    found = [conclusion(*launches(1 + detectable, 0.03, 20, seed), 0.0)[0] for seed in range(200)]
    assert 0.72 < sum(verdict == "regression" for verdict in found) / 200 < 0.88


def result(medians: list[float], kind: str = "cpp", size: int = 4, flags: tuple[str, ...] = ()) -> Result:
    facts = DeviceFacts(os=OperatingSystem(name="linux"), cpu=Cpu(arch="arm64"))
    inputs = [TensorInfo(name="x", dtype="float32", shape=[1, size])]
    return Result(
        agent=Agent(kind=kind, version="1"),  # type: ignore[arg-type]
        device=facts,
        artifact=ResultArtifact(format="onnx", sha256="0" * 64, size=10, inputs=inputs),
        runtime=ResultRuntime(name="onnxruntime", version="1", backend="cpu", threads=1),
        config=Config(mode="latency"),
        runs=[Run(samples=[round(m)] * 30, cold=Cold(load=round(m), prepare=round(m))) for m in medians],
        validity=Validity(valid=not flags, flags=list(flags)),
    )


def test_results_are_compared_by_the_quantity_that_is_asked_for() -> None:
    after, before = launches(1.2, 0.01, 8)
    slower = of_results(NAMES, "local", (result(before), result(after)), "latency", 0.05)
    assert (slower.verdict, slower.pairs, exit_code(slower)) == ("regression", 8, 1)
    assert slower.figures[1] / slower.figures[0] == pytest.approx(slower.ratio)
    cold = of_results(NAMES, "local", (result(before), result(after)), "cold-start", 0.10)
    assert cold.figures[0] == pytest.approx(2 * slower.figures[0], rel=1e-3)
    text = "\n".join(str(part) for part in comparison_view(slower))
    assert "8 pairs" in text
    assert "regression (effects of 5.0% matter) on local" in text


def test_a_blocking_flag_forbids_a_verdict() -> None:
    after, before = launches(1.2, 0.01, 8)
    found = of_results(NAMES, "local", (result(before), result(after, flags=("THERMAL",))), "latency", 0.05)
    assert found.verdict == "inconclusive"
    assert "THERMAL" in (found.reason or "")
    assert (exit_code(found), exit_code(found, inconclusive=0)) == (3, 0)


def test_the_more_files_are_judged_together_the_surer_each_verdict_must_be() -> None:
    def pairs(count: int) -> list[Pair]:
        made = []
        for seed in range(count):
            after, before = launches(1.0, 0.12, 8, seed)
            made.append(Pair(("old", f"new-{seed}"), (result(before), result(after))))
        return made

    def wrong(found: list[Comparison]) -> list[str]:
        return [each.candidate for each in found if each.verdict in ("regression", "improvement")]

    alone = [name for pair in pairs(60) for name in wrong(of_pairs([pair], "local", "latency", 0.05))]
    assert len(alone) >= 2  # 5% of 60 by chance, less where the effect is below the threshold
    together = of_pairs(pairs(60), "local", "latency", 0.05)
    assert wrong(together) == []
    assert {each.together for each in together} == {60}
    after, before = launches(1.2, 0.01, 8)
    with_a_slow_one = of_pairs([*pairs(6)[3:], Pair(NAMES, (result(before), result(after)))], "local", "latency", 0.05)
    assert wrong(with_a_slow_one) == ["new"]
    assert exit_code(*with_a_slow_one) == 1  # not 3 for those beside it that are inconclusive
    text = "\n".join(str(part) for part in comparisons_view(with_a_slow_one))
    assert "8 pairs of launches, effects of 5.0% matter, 4 comparisons judged together (Holm)" in text


def test_holms_method_is_the_published_one() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])  # as R's p.adjust answers


@pytest.mark.parametrize("other", [result([1e6] * 6, kind="python"), result([1e6] * 6, size=5)])
def test_what_was_measured_in_another_way_is_refused(other: Result) -> None:
    with pytest.raises(RecipeError, match=r"cannot be compared: (agents cpp and python|inputs 1x4 and 1x5)"):
        of_results(NAMES, "local", (result([1e6] * 6), other), "latency", 0.05)


@pytest.mark.parametrize(("after", "verdict", "code"), [(1009, "same", 0), (1011, "more", 1), (980, "fewer", 0)])
def test_counts_are_exact_and_never_a_regression(after: int, verdict: str, code: int) -> None:
    def counted(total: int) -> Instructions:
        return Instructions(total=total, memory=0, simd=0, dot_product=0, multiply_add=0)

    found: Comparison = of_counts(NAMES, "cortex-a53", (counted(1000), counted(after)), (1, 1), 0.01)
    assert (found.verdict, exit_code(found)) == (verdict, code)
    assert f"{verdict} instructions on cortex-a53" in "\n".join(str(part) for part in comparison_view(found))

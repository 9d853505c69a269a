"""Are the verdicts of `compare` right? Identical files, and files really 8% slower and faster, compared over and over.

100 comparisons of a file with itself and 50 each with a network of two more and two fewer of its 25 equal layers, as
`edgeship compare` does them: 20 pairs of launches. What the others really cost is known from ten sessions of 20 pairs,
spread between the comparisons. A run goes on where the last one stopped; --minutes ends it in time.

Alone on two cores about 40 s per comparison: two and a half hours in all. --quick: one of each, 5 pairs.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.aa_table import KINDS, TRUTH, effects, named_right
from benchmarks.broken_table import exact_interval
from benchmarks.results import Goal, Results, at_least, at_most, say
from edgeship import convert
from edgeship.toolchain import stats
from edgeship.toolchain.commands.compare import protocol_of
from edgeship.toolchain.commands.subjects import Calls, subjects_of
from edgeship.toolchain.devices.local import Local
from edgeship.toolchain.measure import bench
from edgeship.toolchain.measure.comparison import THRESHOLDS, of_results
from edgeship.toolchain.protocol.messages import Result

LAYERS = {"base": 25, "same": 25, "slower": 27, "faster": 23}
COMPARISONS = {"same": 100, "slower": 50, "faster": 50}
SESSIONS = 10
"""In which the real effects are measured."""
SHAPE = (1, 16, 32, 32)
PAIRS = 20
SECONDS = 0.3


class Stack(nn.Module):
    """Equal convolutions, as many as it is told: milliseconds in proportion."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        channels = SHAPE[1]
        self.layers = nn.Sequential(*(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(layers)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[1, 16, 32, 32] → the same."""
        for layer in self.layers:
            x = x + torch.relu(layer(x))
        return x


def goals(rows: dict[str, Any]) -> Iterator[Goal]:
    """What issue 11 asks of the verdicts."""
    verdicts = {kind: [row["verdict"] for name, row in rows.items() if name.startswith(f"{kind}/")] for kind in KINDS}
    same = verdicts["same"]
    if not same:
        return
    false = sum(verdict in ("regression", "improvement") for verdict in same)
    done = f"of {len(same)}; at most {exact_interval(false, len(same))[1]:.3f} at 95%"
    yield at_least("comparisons", sum(map(len, verdicts.values())), sum(COMPARISONS.values()))
    yield at_most("false-verdicts-of-100", 100 * false / len(same), 1, done)
    yield at_least("no-change-of-100", 100 * same.count("no change") / len(same), 60)
    for kind in ("slower", "faster"):
        if verdicts[kind]:
            right = 50 * named_right(kind, verdicts[kind]) / len(verdicts[kind])
            ratio, interval = effects(rows).get(kind, (math.nan, None))
            truth = f"really {ratio:.3f}" + (f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else "")
            yield at_least(f"{kind}-named-right-of-50", right, 45, truth)


def main() -> None:
    """One comparison after another, of every kind in turn, until the time is up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=600)
    parser.add_argument("--quick", action="store_true", help="one comparison of each kind, 5 pairs")
    options = parser.parse_args()
    results, deadline = Results("aa_test", options.quick), time.monotonic() + 60 * options.minutes
    pairs = 5 if options.quick else PAIRS
    with tempfile.TemporaryDirectory(prefix="edgeship-aa-") as work:
        files = {kind: _file(layers, Path(work) / kind) for kind, layers in LAYERS.items()}
        for name in _in_turn(options.quick):
            if name in results.rows or time.monotonic() > deadline:
                continue
            kind = name.partition("/")[0]
            row = _truth(files, pairs) if kind == TRUTH else _compared(files["base"], files[kind], pairs)
            results.put(name, row, goals)
            said = {key: value for key, value in row.items() if not key.startswith("log")}
            say(f"{name}: {said}")
    results.finish(goals)


def _in_turn(quick: bool) -> Iterator[str]:
    """Names of rows: kinds in turn, so that a run that is cut short has seen all, and drift meets each alike."""
    rounds = 1 if quick else COMPARISONS["slower"]
    for index in range(rounds):
        if index % (COMPARISONS["slower"] // SESSIONS) == 0:
            yield f"{TRUTH}/{index:02}"
        yield f"same/{2 * index:02}"
        yield f"slower/{index:02}"
        if not quick:
            yield f"same/{2 * index + 1:02}"
        yield f"faster/{index:02}"


def _file(layers: int, folder: Path) -> Path:
    """A network of so many layers as a .pte; identical ones are two files, as two builds would make them."""
    (made,) = convert(Stack(layers).eval(), {"x": torch.randn(SHAPE)}, ["executorch"], folder=folder)
    assert made.path is not None
    return made.path


def _launched(files: list[Path], pairs: int) -> list[Result]:
    subjects = subjects_of(files, Calls(), lambda note: None)
    with Local().open() as link:
        answers = bench.measure(subjects, link, protocol_of(pairs, SECONDS), seed=time.monotonic_ns())
    found = [answers[subject.name] for subject in subjects]
    assert all(isinstance(answer, Result) for answer in found), found
    return [answer for answer in found if isinstance(answer, Result)]


def _compared(base: Path, other: Path, pairs: int) -> dict[str, Any]:
    """A verdict as the command gives it, and how wide its interval is with fewer of the pairs."""
    before, after = _launched([base, other], pairs)
    found = of_results(("base", "other"), "local", (before, after), "latency", THRESHOLDS["latency"])
    medians = [stats.launch_medians_ns(result) for result in (after, before)]
    widths = {}
    for count in (5, 10, 20):
        if count <= pairs:
            _, interval = stats.paired_ratio(medians[0][:count], medians[1][:count])
            assert interval is not None
            widths[str(count)] = math.sqrt(interval[1] / interval[0]) - 1
    return {
        "verdict": found.verdict,
        "ratio": found.ratio,
        "interval": found.interval,
        "half_widths": widths,
        "p50_ns": found.figures,
    }


def _truth(files: dict[str, Path], pairs: int) -> dict[str, Any]:
    """Log ratios of the really different files, pair by pair."""
    kinds = ("slower", "faster")
    base, *others = (stats.launch_medians_ns(r) for r in _launched([files[kind] for kind in ("base", *kinds)], pairs))
    return {
        "log_ratios": {
            kind: [math.log(a / b) for a, b in zip(medians, base, strict=True)]
            for kind, medians in zip(kinds, others, strict=True)
        }
    }


if __name__ == "__main__":
    main()

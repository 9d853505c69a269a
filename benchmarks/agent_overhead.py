"""The native agent beside a bare loop around the same library (benchmarks/bare): latency and peak memory.

MobileNetV2, float and int8, which takes a millisecond and more in every runtime. Launches of both are interleaved
(ABBA); the ratio is the geometric mean over pairs with its 95% t interval. Alone on two cores about 20 minutes at 20
pairs; rows that are there are kept, --again measures them anew.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import ROOT, Goal, Results, at_least, at_most, say, say_failure
from edgeship.toolchain import stats
from edgeship.toolchain.build.builder import builder
from edgeship.toolchain.build.lines import Built
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.devices.agents import build, kits
from edgeship.toolchain.devices.local import LocalLink
from edgeship.toolchain.measure.bench import Subject, alone
from edgeship.toolchain.protocol.messages import Config, Stop
from edgeship.toolchain.recipe import read as recipes
from edgeship.toolchain.recipe.plan import Recipe
from edgeship.toolchain.runtime import Agent, RuntimeInfo
from edgeship.toolchain.samples import load_samples
from edgeship.toolchain.shell import known

KITS = {"executorch": kits.EXECUTORCH, "onnx": kits.ONNXRUNTIME, "litert": kits.LITERT}
WARM_S, MEASURE_S = 0.5, 1.0
LATENCY, MEMORY_BYTES = 1.02, 10e6
"""The agent's at most, to the bare loop's."""


def goals(rows: dict[str, Any]) -> Iterator[Goal]:
    """The upper end of the interval, and memory above the bare loop's."""
    yield at_least("files", len(rows), 2 * len(KITS))
    for name, row in rows.items():
        low, high = row["interval"]
        yield at_most(f"agent-to-bare-loop/{name}", high, LATENCY, f"{row['ratio']:.3f} [{low:.3f}, {high:.3f}]")
        more = row["agent_peak_bytes"] - row["bare_peak_bytes"]
        yield at_most(f"memory-above-bare-loop-bytes/{name}", more, MEMORY_BYTES)


class Native(LocalLink):
    """This host, with the native agents alone."""

    def agents(self, runtime: RuntimeInfo) -> tuple[Agent, ...]:
        """Not Python's."""
        return tuple(agent for agent in super().agents(runtime) if not agent.name.startswith("python"))


def main() -> None:
    """Measure what is not measured yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=20, help="launches of each")
    parser.add_argument("--again", action="store_true", help="rows that are there, too")
    parser.add_argument("--quick", action="store_true", help="three pairs; results are kept apart")
    options = parser.parse_args()
    results = Results("agent_overhead", options.quick)
    with (
        tempfile.TemporaryDirectory(prefix="edgeship-benchmark-") as work,
        builder(recipe_of_both(), Store(), Path(work) / "log.txt", say_failure) as made,
    ):
        for line in [line for line in made.build() if isinstance(line, Built)]:  # all, before anything is timed
            name = f"{line.plan.target_name} {line.plan.variant}"
            if results.rows.get(name, {}).get("sha256") != line.artifact.sha256 or options.again:
                results.put(name, measured(line, 3 if options.quick else options.pairs, Path(work)), goals)
                say(f"{name}: {results.rows[name]['ratio']:.4f}")
    results.finish(goals)


def recipe_of_both() -> Recipe:
    """MobileNetV2, float and int8, for the runtimes that have a native agent."""
    text = (ROOT / "benchmarks" / "recipes" / "mobilenet_v2.toml").read_text()
    targets = "".join(f"[targets.{name}]\n" for name in KITS)
    variants = '[variants]\nfloat = []\nint8 = ["quantize-static"]\n'
    return recipes.parse(f"{text[: text.index('[variants]')]}{variants}{targets}", ROOT / "benchmarks" / "recipes")


def measured(line: Built, pairs: int, work: Path) -> dict[str, Any]:
    """Both on one file: medians of each launch, their ratio, peak memory."""
    samples = load_samples(line.comparison.samples).take([0])
    (array,) = samples.row(0)
    (work / "input.bin").write_bytes(np.ascontiguousarray(array, dtype=np.float32).tobytes())
    loop = build.build(KITS[line.plan.target_name], ROOT / "benchmarks" / "bare")
    shape = ",".join(map(str, array.shape))
    info, link = known(line.artifact.runtime.name), Native()
    told = info.options_on(line.artifact.runtime.options, link.facts()["cpu"].get("features", []))
    entries = told.get("config", {})
    command = [
        *(str(loop), str(line.folder / line.artifact.file), str(work / "input.bin"), shape),
        *(str(WARM_S), str(MEASURE_S), *(word for entry in entries.items() for word in entry)),
    ]
    subject = Subject(line.plan.name, line.artifact, line.folder, samples)
    taken: dict[str, list[float]] = {"agent": [], "bare": []}
    peaks: dict[str, list[int]] = {"agent": [], "bare": []}
    for pair in range(pairs):
        for who in ("agent", "bare") if pair % 2 else ("bare", "agent"):
            if who == "bare":
                said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
                median, peak = map(int, said.split())
            else:
                median, peak = int(np.median(stats.per_call_ns(alone(subject, link, timed())))), _peak(subject, link)
            taken[who].append(median)
            peaks[who].append(peak)
    mean, interval = stats.paired_ratio(taken["agent"], taken["bare"])
    return {
        "sha256": line.artifact.sha256,
        "ratio": mean,
        "interval": interval,
        "pairs": pairs,
        **{f"{who}_ns": statistics.median(values) for who, values in taken.items()},
        **{f"{who}_peak_bytes": statistics.median(values) for who, values in peaks.items()},
    }


def timed() -> Config:
    """One launch as long as the bare loop's."""
    warm, length = Stop(min_ns=int(WARM_S * 1e9), max_ns=int(WARM_S * 1e9)), int(MEASURE_S * 1e9)
    return Config(mode="latency", warmup=warm, measure=Stop(min_ns=length, max_ns=length))


def _peak(subject: Subject, link: LocalLink) -> int:
    """The agent's peak memory in a launch of the mode that asks for it: VmHWM of the whole process."""
    memory = alone(subject, link, Config(mode="memory")).memory
    assert memory is not None
    assert memory.peak is not None
    return int(memory.peak["vm_hwm"])


if __name__ == "__main__":
    main()

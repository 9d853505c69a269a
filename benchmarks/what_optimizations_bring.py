"""What fusion, constant folding and channels-last bring in each runtime: one network, each way beside the usual one.

Batch norm is folded into convolutions by every exporter here; a twin network has it written out as a multiply and an
add. Another twin takes images as [1, 224, 224, 3]. ONNX Runtime's own optimizations are switched off level by level.
Launches are interleaved with the usual file's. Alone on two cores: building 4 minutes where edgeship's cache is empty,
measuring 4; 10 minutes in all.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.artifact_latency import ratio
from benchmarks.compared import TARGETS
from benchmarks.results import ROOT, Goal, Results, say
from edgeship.toolchain import stats
from edgeship.toolchain.build.builder import builder
from edgeship.toolchain.build.lines import Built, Stopped
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.devices.local import Local
from edgeship.toolchain.measure import bench
from edgeship.toolchain.measure.bench import Protocol, Subject
from edgeship.toolchain.protocol.messages import Result
from edgeship.toolchain.recipe import read as recipes
from edgeship.toolchain.samples import load_samples

MODEL = "mobilenet_v2"
LIMIT = 1.05
USUAL = "as shipped"
TWINS: dict[str, dict[str, bool]] = {
    USUAL: {},
    "batch norm not folded": {"fold": False},
    "channels-last input": {"channels_last": True},
}
ONNX_LEVELS = {  # without the levels named: what is left of ONNX Runtime's work at loading
    "no layout optimization": "extended",
    "no layout optimization, no fusion": "basic",
    "no layout optimization, no fusion, no constant folding": "disable",
}


def goals(rows: dict[str, Any]) -> Iterator[Goal]:
    """Folding and fusion must not cost anything: within noise the file as shipped is at most 5% slower."""
    for name, row in rows.items():
        if "error" not in row and row["way"] != "channels-last input":
            mean, low, high = (1 / value for value in row["to_usual"])
            # met: the interval does not lie wholly above the limit
            note = f"95% interval {high:.3f} to {low:.3f}"
            yield Goal(f"as-shipped-to/{name}", round(mean, 3), LIMIT, high <= LIMIT, note=note)


def main() -> None:
    """Build the twins, measure, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="float ONNX only, 2 pairs of short launches")
    parser.add_argument("--pairs", type=int, default=6, help="launches per file")
    options = parser.parse_args()
    protocol = Protocol(launches=options.pairs, seconds=0.5, warmup_seconds=1.5, min_iterations=30)
    targets, variants = TARGETS, {"float": [], "int8": ["quantize-static"]}
    if options.quick:
        protocol = Protocol(launches=2, seconds=0.2, warmup_seconds=0.3, min_iterations=20, quick=True)
        targets, variants = ("onnx",), {"float": []}
    results = Results("optimizations", options.quick)
    made = _built(targets, variants)
    for target in targets:
        for variant in variants:
            for name, row in _rows(target, variant, made, protocol):
                results.put(name, row, goals)
    results.finish(goals)


def _built(targets: tuple[str, ...], variants: dict[str, list[str]]) -> dict[tuple[str, str, str], Built | Stopped]:
    """Every line by (way, variant, target)."""
    path = ROOT / "benchmarks" / "recipes" / f"{MODEL}.toml"
    made = {}
    for way, arguments in TWINS.items():
        say(f"building {MODEL}, {way}")
        raw = tomllib.loads(path.read_text())
        raw |= {"variants": variants, "targets": {target: {} for target in targets}}
        raw["model"]["arguments"] |= arguments
        if arguments.get("channels_last"):
            raw["model"]["inputs"][0]["shape"] = [1, 224, 224, 3]
            for need in ("calibration", "evaluation"):
                raw[need]["function"] += "_channels_last"
        recipe = recipes.from_tables(raw, path.parent, str(path), MODEL)
        with (
            tempfile.TemporaryDirectory(prefix="edgeship-benchmark-") as work,
            builder(recipe, Store(), Path(work) / "log.txt", lambda event: None) as build,
        ):
            made |= {(way, line.plan.variant, line.plan.target_name): line for line in build.build()}
    return made


def _rows(
    target: str, variant: str, made: dict[tuple[str, str, str], Built | Stopped], protocol: Protocol
) -> Iterator[tuple[str, dict[str, Any]]]:
    """One row per way, each against the file as shipped."""
    subjects, failed = [], {}
    for way in TWINS:
        line = made[way, variant, target]
        if isinstance(line, Built):
            subjects.append(_subject(way, line))
        else:
            failed[way] = line.reason
    if target == "onnx" and USUAL not in failed:
        usual = next(subject for subject in subjects if subject.name == USUAL)
        for way, level in ONNX_LEVELS.items():
            subjects.append(dataclasses.replace(usual, name=way, options={"graph_optimization": level}))
    say(f"{target} {variant}: {protocol.launches} × {len(subjects)} launches")
    with Local().open() as link:
        answers = bench.measure(subjects, link, protocol)
    failed |= {way: answer for way, answer in answers.items() if isinstance(answer, str)}
    medians = {way: stats.launch_medians_ns(a) for way, a in answers.items() if isinstance(a, Result)}
    for way in [*TWINS, *(ONNX_LEVELS if target == "onnx" else {})]:
        about = {"model": MODEL, "target": target, "variant": variant, "way": way}
        if way in failed or USUAL not in medians:
            yield f"{target} {variant}, {way}", {**about, "error": failed.get(way) or failed.get(USUAL)}
        elif way != USUAL:
            yield (
                f"{target} {variant}, {way}",
                {
                    **about,
                    "usual_p50_ns": float(np.median(medians[USUAL])),
                    "p50_ns": float(np.median(medians[way])),
                    "to_usual": ratio(medians[way], medians[USUAL]),
                    "launch_medians_ns": [round(value) for value in medians[way]],
                    "protocol": dataclasses.asdict(protocol),
                },
            )


def _subject(way: str, line: Built) -> Subject:
    return Subject(way, line.artifact, line.folder, load_samples(line.comparison.samples).take(range(bench.CASES)))


if __name__ == "__main__":
    main()

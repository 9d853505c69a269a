"""`bench`: files measured beside each other on one device, and beside the baselines that they must not fall behind."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

from edgeship.toolchain.commands.subjects import Calls, subjects_of
from edgeship.toolchain.errors import RecipeError
from edgeship.toolchain.measure import bench as benches
from edgeship.toolchain.measure.comparison import THRESHOLDS, Comparison, Pair, of_pairs
from edgeship.toolchain.plugin import Device
from edgeship.toolchain.protocol.messages import Result, dump
from edgeship.toolchain.recipe.plan import BenchOptions
from edgeship.toolchain.report.bench import Bench, Benched, short_names
from edgeship.toolchain.report.rows import measurement


def bench(
    files: list[Path],
    against: list[Path],
    calls: Calls,
    options: BenchOptions,
    quick: bool,
    device: Device,
    named: str,
    on_note: Callable[[str], None],
) -> tuple[Bench, list[Result]]:
    """Measure files beside each other, interleaved, the baselines among them; one that cannot be measured says why.

    Answers what was found, and the results with their raw samples of those files that were measured.
    `against`: no baseline, one for all files, or one for each, in their order; RecipeError for another number.
    `on_note` is told which integers a file is given that says nothing of its valid ones.
    """
    if len(against) not in (0, 1, len(files)):
        raise RecipeError(
            f"--against is given {len(against)} times for {len(files)} files", "once for all files, or once for each"
        )
    baselines = list(dict.fromkeys(against))
    every = [*files, *baselines]
    subjects = subjects_of(every, calls, on_note)
    protocol = benches.QUICK if quick else benches.Protocol(launches=options.launches, seconds=options.seconds)
    with device.open() as link:
        told = benches.measure(subjects, link, protocol)
        facts = link.facts()
    answers = [told[subject.name] for subject in subjects]
    of_each = against * len(files) if len(against) == 1 else against
    found = Bench(
        quick=quick,
        protocol=dataclasses.asdict(protocol),
        device=facts,
        files=[_benched(file, subject, told[subject.name]) for file, subject in zip(every, subjects, strict=True)],
        comparisons=_compared(every, answers, [len(files) + baselines.index(file) for file in of_each], named),
    )
    return found, [answer for answer in answers if isinstance(answer, Result)]


def _benched(file: Path, subject: benches.Subject, answer: Result | str) -> Benched:
    if isinstance(answer, str):
        return Benched(file=str(file), error=answer)
    return Benched(file=str(file), measurement=measurement(answer, subject, ""))


def _compared(every: list[Path], answers: list[Result | str], places: list[int], device: str) -> list[Comparison]:
    """The first files, each beside the baseline at its place in `places`, where both were measured."""
    names = short_names([str(file) for file in every])
    measured = []
    for new, old in enumerate(places):
        before, after = answers[old], answers[new]
        if isinstance(before, Result) and isinstance(after, Result):
            measured.append(Pair((names[old], names[new]), (before, after)))
    return of_pairs(measured, device, "latency", THRESHOLDS["latency"])


def write_results(bench: Bench, results: list[Result], out: Path) -> None:
    """Write the results, each a bench-result/1 with its raw samples, as one JSON document beside their files' names."""
    files = [benched.file for benched in bench.files if benched.measurement]
    documents = [{"file": file, "result": json.loads(dump(r))} for file, r in zip(files, results, strict=True)]
    out.write_text(json.dumps(documents, indent=1) + "\n")

"""Breadth: every network of coverage_networks × {float, int8, int8-dynamic} × six runtimes, made and judged.

Two findings are kept apart. *Right*: the file does what the program does that it was made from (the conversion's
business, target by target). *Kept*: how far the quantized program lies from the float model (quantization's, once per
network). A line is never given up for a network or a runtime: what is refused counts as not made.

Lines that are known are kept; --again does all anew, where edgeship's cache saves what did not change. With an empty
cache about 90 minutes alone on two cores. A step that takes longer than --seconds (120) fails its line. `seconds` of a
row are those of each step that was done for it and not for another row before.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.coverage_networks import NETWORKS
from benchmarks.results import ROOT, Goal, Results, at_least, say
from edgeship.toolchain.build.builder import Builder, builder
from edgeship.toolchain.build.lines import Built, Event, Stopped
from edgeship.toolchain.build.memory import VERIFY_TIMES, expected
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.devices.local import Local
from edgeship.toolchain.errors import EdgeshipError
from edgeship.toolchain.judge import verdict as verdicts
from edgeship.toolchain.judge.line import case_of, judge
from edgeship.toolchain.judge.verdict import Verdict
from edgeship.toolchain.link import Link
from edgeship.toolchain.recipe import read as recipes
from edgeship.toolchain.recipe.arguments import input_tables
from edgeship.toolchain.recipe.plan import Plan, Recipe

TARGETS = ("executorch", "onnx", "litert", "coreml", "coreai", "torchscript")
VARIANTS = {"float": [], "int8": ["quantize-static"], "int8-dynamic": ["quantize-dynamic"]}
LIMITS = {"float": 0.97, "int8": 0.95}
"""Least shares of files that are made and right, for each runtime."""
TOGETHER = 14
"""Networks that share their workers: importing a converter takes longer than using it."""
FILE = "./benchmarks/coverage_networks.py"


def goals(rows: dict[str, Any]) -> Iterator[Goal]:
    """Of every runtime, which share of the files was made and is right."""
    for variant, limit in LIMITS.items():
        for target in TARGETS:
            lines = [row for row in rows.values() if (row["variant"], row["target"]) == (variant, target)]
            if lines:
                right = sum(row["right"] for row in lines)
                whole = len(lines) == len(NETWORKS)
                note = f"{right} of {len(lines)}" + ("" if whole else f", {len(NETWORKS)} wanted")
                goal = at_least(f"{variant}-made-and-right/{target}", right / len(lines), limit, note=note)
                yield dataclasses.replace(goal, met=goal.met and whole)


def main() -> None:
    """Make and judge the lines that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", action="append", choices=NETWORKS, help="only this one; may be repeated")
    parser.add_argument("--target", action="append", choices=TARGETS, help="only this one; may be repeated")
    parser.add_argument("--variant", action="append", choices=VARIANTS, help="only this one; may be repeated")
    parser.add_argument("--again", action="store_true", help="lines that are known, too")
    parser.add_argument("--failed", action="store_true", help="lines that are known not to be right, too")
    parser.add_argument("--quick", action="store_true", help="three networks; results are kept apart")
    parser.add_argument("--workers", type=int, default=2, help="steps at once")
    parser.add_argument("--seconds", type=float, default=120, help="longest time for one step of one line")
    options = parser.parse_args()
    results = Results("coverage", options.quick)
    names = options.network or list(NETWORKS)[: 3 if options.quick else None]
    variants = options.variant or list(VARIANTS)
    for target in options.target or TARGETS:
        wanted = [
            name
            for name in names
            if options.again
            or any(_is_open(results.rows.get(f"{name} {v} {target}"), options.failed) for v in variants)
        ]
        for start in range(0, len(wanted), TOGETHER):
            some = wanted[start : start + TOGETHER]
            say(f"{target}: {', '.join(some)}")
            for name, row in _rows(some, variants, target, options.workers, options.seconds):
                results.put(name, row, goals)
                say(f"{name}: {_said(row)}")
    results.finish(goals)


def _is_open(row: dict[str, Any] | None, failed: bool) -> bool:
    return row is None or (failed and row["carried"] and not row["right"])


def _rows(
    networks: Sequence[str], variants: Sequence[str], target: str, workers: int, seconds: float
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Lines as they finish: the name of each and what became of it."""
    recipe, steps = recipe_of(networks, variants, target, workers, seconds), Steps()
    with (
        tempfile.TemporaryDirectory(prefix="edgeship-benchmark-") as work,
        Local().open() as link,
        builder(recipe, Store(), Path(work) / "log.txt", steps.heard) as build,
    ):
        for line in build.build():
            plan = line.plan
            row: dict[str, Any] = {
                "network": plan.model.name, "variant": plan.variant, "target": target, "carried": True,
                "made": isinstance(line, Built), "right": False,
            }  # fmt: skip
            row |= _stopped(line) if isinstance(line, Stopped) else _judged(line, recipe, build, link)
            row["seconds"] = steps.taken(*_names(plan))
            yield f"{plan.model.name} {plan.variant} {target}", row


def _names(plan: Plan) -> list[str]:
    """What a build calls the steps of a line: its model's, its passes', its program's, its file's."""
    model = plan.model.name
    return [model, *(f"{model}: {step.name}" for step in plan.steps), f"{model} {plan.variant}", plan.name]


class Steps:
    """How long each step took, from what a build tells of it."""

    def __init__(self) -> None:
        self._taken: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        self._since: dict[str, tuple[str, float]] = {}

    def heard(self, event: Event) -> None:
        """A step ends where the next one of the same line (model, pass) begins, or the line ends."""
        now = time.monotonic()
        if begun := self._since.pop(event.line, None):
            self._taken[event.line][begun[0]] += now - begun[1]
        if event.kind == "progress" and event.text != "built":
            self._since[event.line] = re.sub(r" *\d+.*", "", event.text), now

    def taken(self, *names: str) -> dict[str, float]:
        """Seconds by step of these lines, each told once."""
        told: dict[str, float] = defaultdict(float)
        for name in names:
            for step, seconds in self._taken.pop(name, {}).items():
                told[step] += seconds
        return {step: round(seconds, 1) for step, seconds in told.items()}


def recipe_of(networks: Sequence[str], variants: Sequence[str], target: str, workers: int, seconds: float) -> Recipe:
    """Networks as the models of one recipe."""
    models = {}
    for name in networks:
        network = NETWORKS[name]
        inputs, dims = input_tables(network.inputs)
        for table in inputs:
            table["keyword"] = table["name"] in network.keywords
        data = {
            key: {"source": "python", "function": f"{FILE}:{key}", "arguments": {"name": name}}
            for key in ("calibration", "evaluation")
        }
        table = {"factory": f"{FILE}:build", "arguments": {"name": name}, "inputs": inputs, "dims": dims}
        models[name] = {**table, "state": network.state, **data}
    raw = {
        "models": models,
        "variants": {name: VARIANTS[name] for name in variants},
        "targets": {target: {}},
        "verify": {"samples": 4},
        "build": {"timeout_s": seconds, "workers": workers},
    }
    return recipes.from_tables(raw, ROOT, "benchmarks/coverage.py", "coverage")


def _stopped(line: Stopped) -> dict[str, Any]:
    """Why there is no file; `carried` says whether the runtime carries such numbers at all."""
    known = line.status == "unsupported"
    return {
        "carried": not line.plan.unsupported, "known_before": known, "stage": line.stage,
        "reason": line.reason[:400], "hint": line.hint[:200],
    }  # fmt: skip


def _judged(line: Built, recipe: Recipe, build: Builder, link: Link) -> dict[str, Any]:
    """The verdict against the file's own program, and the program beside the float model."""
    started = time.monotonic()
    try:
        with build.slots.hold(1, expected(VERIFY_TIMES, line.artifact.size_bytes)):
            whole = judge(line, recipe, recipe.devices["local"], link, build.store)
            own = whole if whole.verdict == "pass" else _against_program(line, recipe, link)
    except EdgeshipError as error:
        return {"stage": "verify", "reason": str(error)[:400]}
    row = {
        "right": own.verdict == "pass",
        "verdict": whole.verdict,
        "reason": "; ".join(own.reasons)[:400] or None,
        "executed_by": own.executed_by or None,
        "size_bytes": line.artifact.size_bytes,
        "sqnr_program_db": _rounded(own.against_program and own.against_program.sqnr_db),
        "limit_db": own.threshold.program_db if own.threshold else None,
        "kept_db": _rounded(own.program_against_float and own.program_against_float.sqnr_db),
        "notes": list(line.artifact.notes) or None,
        "judged_s": round(time.monotonic() - started, 1),
    }
    return {name: value for name, value in row.items() if value is not None}


def _against_program(line: Built, recipe: Recipe, link: Link) -> Verdict:
    """The verdict where the float model is no yardstick: what quantization did is not the file's fault."""
    case = dataclasses.replace(case_of(line, recipe), program="a changed model")
    return verdicts.judge(line.artifact, line.folder, link, case)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _said(row: dict[str, Any]) -> str:
    if not row["carried"]:
        return "not carried"
    if row["right"]:
        return f"right, {row['sqnr_program_db']} dB"
    return f"{'WRONG' if row['made'] else 'NOT MADE'}: {row.get('reason', '')[:160]}"


if __name__ == "__main__":
    main()

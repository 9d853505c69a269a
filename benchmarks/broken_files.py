"""Are broken files caught, and sound ones let through? Programs are broken, exported, and judged against the sound one.

Each file goes through its real runtime and the verdict that every run ends in. A run goes on where the last one
stopped; --minutes ends it in time. A change that alters no output of the program, bit by bit, is not counted: there is
nothing to see.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.broken_table import SOUND, counted, exact_interval
from benchmarks.forked import Forked
from benchmarks.mutations import MUTATIONS, mutate
from benchmarks.patches import PATCHES, patch
from benchmarks.results import ROOT, Goal, Results, at_least, at_most, say
from edgeship.toolchain.artifact import Artifact, ConstantsAudit, digest
from edgeship.toolchain.build.builder import builder
from edgeship.toolchain.build.lines import Built, Event
from edgeship.toolchain.build.stages.stored import StoredProgram
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.judge import verdict as judging
from edgeship.toolchain.judge.line import case_of
from edgeship.toolchain.model import program as programs
from edgeship.toolchain.model.audit import compare, inventory_of
from edgeship.toolchain.model.constants import constants_of
from edgeship.toolchain.model.expected import Constants
from edgeship.toolchain.plugin import Context, Need
from edgeship.toolchain.recipe import read as recipes
from edgeship.toolchain.recipe.plan import Recipe
from edgeship.toolchain.samples import load_samples

Row = dict[str, Any]
NETS = ("digits", *(f"{kind}-{seed}" for seed in range(3) for kind in ("deep", "encoder", "recurrent")))
TARGETS = ("onnx", "torchscript", "litert", "coreai", "coreml", "executorch")
QUICK_NETS, QUICK_TARGETS = ("digits", "encoder-0"), ("onnx", "torchscript")
SHAPES = {"deep": "[1, 3, 24, 24]", "encoder": "[1, 12]", "recurrent": "[1, 4, 12]"}


def recipe_of(net: str, targets: tuple[str, ...]) -> Recipe:
    """The recipe of a network: its variants on these targets."""
    kind, _, seed = net.partition("-")
    variants = ["float = []", 'int8 = ["quantize-static"]']
    if kind == "digits":
        model = """factory = "../examples/digits/model.py:build"
weights = "../examples/digits/digits.safetensors"
inputs = [{ name = "image", shape = [1, 1, 32, 32] }]
outputs = ["logits"]"""
        data = 'function = "../examples/digits/data.py:{need}"\nsamples = {count}'
    else:
        more = ', dtype = "int64", low = 0, high = 63' if kind == "encoder" else ""
        model = f"""factory = "./broken_nets.py:build"
arguments = {{ kind = "{kind}", seed = {seed} }}
inputs = [{{ name = "x", shape = {SHAPES[kind]}{more} }}]
outputs = ["one", "two"]"""
        data = f'function = "./broken_nets.py:{{need}}"\narguments = {{{{ kind = "{kind}" }}}}'
        variants += ['int8-dynamic = ["quantize-dynamic"]'] if kind != "deep" else []
    needs = {"calibration": 64, "evaluation": 32}
    tables = [f'[{need}]\nsource = "python"\n{data.format(need=need, count=count)}' for need, count in needs.items()]
    lines = [f'name = "{net}"', "[build]\nworkers = 1", "[model]", model, *tables, "[variants]", *variants]
    return recipes.parse("\n".join([*lines, *(f"[targets.{name}]" for name in targets)]) + "\n", ROOT / "benchmarks")


@dataclass(frozen=True)
class Subject:
    """A network's program after its passes, and the sound files that were made from it."""

    net: str
    variant: str
    recipe: Recipe
    stored: StoredProgram
    lines: tuple[Built, ...]

    @cached_property
    def constants(self) -> Constants:
        """What its files must hold."""
        return constants_of(self.stored.open())

    @cached_property
    def answers(self) -> list[torch.Tensor]:
        """The sound program's outputs for every sample that files are compared on."""
        return list(self._answers(self.stored.open().module()))

    def _answers(self, module: torch.fx.GraphModule) -> Iterator[torch.Tensor]:
        comparison = self.lines[0].comparison
        count = len(next(iter(load_samples(comparison.expected).inputs.values())))
        samples = load_samples(comparison.samples)
        for index in range(count):
            with torch.no_grad():
                yield from module(*(torch.from_numpy(np.array(each, order="C")) for each in samples.row(index)))

    def name(self, line: Built, kind: str) -> str:
        """Of a row."""
        return f"{self.net}/{self.variant}/{line.plan.target_name}/{kind}"

    def sound(self, line: Built) -> Row:
        """The row of a sound file."""
        return self._judged(line, line.artifact, line.folder)

    def broken(self, kind: str, lines: list[Built]) -> Iterator[tuple[Built, Row]]:
        """The rows of these lines' files, made from the program after it was broken, or why there are none."""
        if kind in PATCHES:
            yield from ((line, self._patched(line, kind)) for line in lines)
            return
        with tempfile.TemporaryDirectory(prefix="edgeship-broken-") as work:
            path = Path(work) / "broken.pt2"
            reason = self._break(kind, path)
            for line in lines:
                yield line, {"skipped": reason} if reason else self._exported(line, path, Path(work))

    def _break(self, kind: str, path: Path) -> str:
        """Write the broken program; why it is none, or nothing."""
        module = self.stored.open().module()
        if not mutate(module, kind, f"{self.net} {self.variant}"):
            return "nothing of the kind in it"
        if all(torch.equal(*pair) for pair in zip(self._answers(module), self.answers, strict=True)):
            return "no output changes"
        try:
            programs.save(programs.export(module, self._context(path.parent).example, self.stored.signature), path)
        except Exception as error:  # what cannot be exported ships nothing
            return f"not made: {type(error).__name__}: {str(error)[:120]}"
        return ""

    def _exported(self, line: Built, path: Path, work: Path) -> Row:
        out = Path(tempfile.mkdtemp(dir=work))
        try:
            artifact = line.plan.target.export(programs.load(path), out, self._context(work))
        except Exception as error:  # a program that no converter takes ships nothing
            return {"skipped": f"not made: {type(error).__name__}: {str(error)[:120]}"}
        if artifact.sha256 == line.artifact.sha256:
            return {"skipped": "the converter writes the sound file all the same"}
        return self._audited(line, artifact, out)

    def _patched(self, line: Built, kind: str) -> Row:
        with tempfile.TemporaryDirectory(prefix="edgeship-broken-") as work:
            out = Path(work) / "out"
            shutil.copytree(line.folder, out)
            if not patch(line.artifact, out, kind, self.name(line, kind)):
                return {"skipped": "no such number in its bytes"}
            artifact = line.artifact.model_copy(update={"sha256": digest(out / line.artifact.file)})
            return self._audited(line, artifact, out)

    def _audited(self, line: Built, artifact: Artifact, out: Path) -> Row:
        found = inventory_of(artifact, out)
        told = {"constants": None if found is None else compare(self.constants, found)}
        return self._judged(line, artifact.model_copy(update=told), out)

    def _judged(self, line: Built, artifact: Artifact, folder: Path) -> Row:
        return _row(judging.judge(artifact, folder, Forked(), case_of(line, self.recipe)), artifact.constants)

    def _context(self, scratch: Path) -> Context:
        needs: frozenset[Need] = frozenset().union(*(line.plan.target.needs for line in self.lines))
        return self.stored.context(needs, scratch, lambda text: None, lambda what, text: None)


def _row(verdict: judging.Verdict, constants: ConstantsAudit | None) -> Row:
    parity, limits = verdict.against_program, verdict.threshold
    audited = [reason for reason in verdict.reasons if constants and f"only {constants}" in reason]
    shown = verdict.verdict == "fail" and len(audited) < len(verdict.reasons)
    return {
        "verdict": verdict.verdict,
        "reason": "; ".join(verdict.reasons)[:200],
        "seen_in": [where for where, seen in (("answers", shown), ("constants", bool(audited))) if seen],
        "sqnr_db": parity and round(parity.sqnr_db, 1),
        "floor_db": limits and limits.floor_db and round(limits.floor_db, 1),
    }


def goals(rows: dict[str, Any]) -> Iterator[Goal]:
    """What issue 10 asks: enough files, broken ones caught in every kind and format, sound ones let through."""
    found = list(counted(rows))
    sound = [right for kind, _, right in found if kind == SOUND]
    broken = [right for kind, _, right in found if kind != SOUND]
    yield at_least("sound-files", len(sound), 100)
    yield at_least("broken-files", len(broken), 400)
    if broken:
        low, high = exact_interval(sum(broken), len(broken))
        yield at_least("caught", sum(broken) / len(broken), 0.99, f"95% interval {low:.3f} to {high:.3f}")
        groups: dict[tuple[str, str], list[bool]] = {}
        for kind, target, right in found:
            if kind != SOUND:
                groups.setdefault((kind, target), []).append(right)
        (kind, target), worst = min(groups.items(), key=lambda group: sum(group[1]) / len(group[1]))
        share = sum(worst) / len(worst)
        yield at_least("caught-worst-kind-and-format", share, 0.95, f"{kind}, {target}, of {len(worst)}")
    if sound:
        alarms = len(sound) - sum(sound)
        yield at_most("false-alarms", alarms, 0, f"at most {exact_interval(alarms, len(sound))[1]:.3f} at 95%")


def main() -> None:
    """Judge sound and broken files of the networks that were named, or all, until the time is up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", action="append", choices=NETS)
    parser.add_argument("--target", action="append", choices=TARGETS)
    parser.add_argument("--minutes", type=float, default=600)
    parser.add_argument("--quick", action="store_true", help="two networks, two runtimes; not kept for the pages")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results, deadline = Results("broken_files", options.quick), time.monotonic() + 60 * options.minutes
    targets = tuple(options.target or (QUICK_TARGETS if options.quick else TARGETS))
    subjects = [each for net in options.net or (QUICK_NETS if options.quick else NETS) for each in built(net, targets)]
    for subject in subjects:
        for line in subject.lines:
            if (name := subject.name(line, SOUND)) not in results.rows and time.monotonic() < deadline:
                _put(results, name, subject.sound(line))
    for subject, kind in in_turn(subjects):
        lines = [line for line in subject.lines if subject.name(line, kind) not in results.rows]
        if lines and time.monotonic() < deadline:
            for line, row in subject.broken(kind, lines):
                _put(results, subject.name(line, kind), row)
    results.finish(goals)


def built(net: str, targets: tuple[str, ...]) -> Iterator[Subject]:
    """The sound files of a network, by program."""
    recipe = recipe_of(net, targets)
    with (
        tempfile.TemporaryDirectory(prefix="edgeship-") as work,
        builder(recipe, Store(), Path(work) / "log.txt", _tell, frozenset({*targets, "program"})) as made,
    ):
        lines = list(made.build())
        for variant in dict.fromkeys(plan.variant for plan in recipe.plans):
            mine = tuple(line for line in lines if isinstance(line, Built) and line.plan.variant == variant)
            if mine:
                stored = made.program(mine[0].plan.model, mine[0].plan.steps)
                yield Subject(net, variant, recipe, stored, tuple(sorted(mine, key=lambda line: line.plan.target_name)))


def in_turn(subjects: list[Subject]) -> Iterator[tuple[Subject, str]]:
    """Every kind for every program, kind after kind, each over the programs in an order of its own: a run that is cut
    short has seen as many of each."""
    orders = []
    for kind in (*PATCHES, *MUTATIONS):
        order = [(subject, kind) for subject in subjects]
        random.Random(kind).shuffle(order)
        orders.append(order)
    for turn in zip(*orders, strict=True):
        yield from turn


def _put(results: Results, name: str, row: Row) -> None:
    results.put(name, row, goals)
    say(f"{name}: {row.get('verdict') or row['skipped']} {row.get('sqnr_db', '')} {row.get('reason', '')[:100]}")


def _tell(event: Event) -> None:
    if event.kind in ("failed", "unsupported"):
        say(f"{event.line}: {event.kind}: {event.text}")


if __name__ == "__main__":
    main()

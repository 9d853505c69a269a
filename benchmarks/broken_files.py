"""Are broken files caught, and sound ones let through? Programs are broken, exported, and judged against the sound one.

Each file goes through its real runtime and the verdict that every run ends in. A run goes on where the last one
stopped; --minutes ends it in time. A change that alters no output of the program, bit by bit, is not counted: there is
nothing to see.
"""

from __future__ import annotations

import argparse
import os
import runpy
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.broken_table import SOUND, counted, exact_interval
from benchmarks.mutations import MUTATIONS, mutate
from benchmarks.results import ROOT, Goal, Results, at_least, at_most, say
from edgeship.toolchain.build.builder import Builder, builder
from edgeship.toolchain.build.lines import Built, Event
from edgeship.toolchain.build.stages.stored import StoredProgram
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.devices.local import LocalLink
from edgeship.toolchain.judge import verdict as judging
from edgeship.toolchain.judge.line import case_of
from edgeship.toolchain.model import program as programs
from edgeship.toolchain.model.audit import audit
from edgeship.toolchain.recipe import read as recipes
from edgeship.toolchain.recipe.plan import Plan, Recipe
from edgeship.toolchain.samples import load_samples

NETS = ("digits", *(f"{kind}-{seed}" for seed in range(3) for kind in ("deep", "encoder", "recurrent")))
TARGETS = ("onnx", "torchscript", "litert", "coreai", "coreml", "executorch")
QUICK_NETS, QUICK_TARGETS = ("digits", "encoder-0"), ("onnx", "torchscript")
SHAPES = {"deep": "[1, 3, 24, 24]", "encoder": "[1, 12]", "recurrent": "[1, 4, 12]"}


class Forked(LocalLink):
    """This host, its Python agents forked off this process, which has imported their runtimes already."""

    def run(self, command: Any, log: Path, seconds: float, environment: Mapping[str, str]) -> int:
        """As a process of its own; what is no Python program is started as usual."""
        words = [str(word) for word in command]
        if Path(words[0]).name != Path(sys.executable).name:
            return super().run(command, log, seconds, environment)
        child = os.fork()
        if child == 0:
            _become(words[1:], self.root, log, seconds, environment)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _become(words: list[str], root: str, log: Path, seconds: float, environment: Mapping[str, str]) -> None:
    import signal

    code = 1
    try:
        signal.alarm(int(seconds) + 1)
        stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(stream, 1)
        os.dup2(stream, 2)
        os.chdir(root)
        os.environ.update(environment)
        words = [word for word in words if word not in ("-I", "-B", "-E", "-s", "-P")]
        if words[0] == "-m":
            sys.argv = words[1:]
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = words
            runpy.run_path(words[0], run_name="__main__")
        code = 0
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else int(bool(exit_.code))
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


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
class Bench:
    """One network's sound lines, and where its broken files are judged."""

    net: str
    recipe: Recipe
    builder: Builder
    link: Forked

    def sound(self, built: Built) -> dict[str, Any]:
        """The row of a sound file."""
        return _row(judging.judge(built.artifact, built.folder, self.link, case_of(built, self.recipe)))

    def broken(self, built: Built, kind: str) -> dict[str, Any]:
        """The row of a file made from the line's program after it was broken, or why there is none."""
        plan = built.plan
        stored = self.builder.program(plan.model, plan.steps)
        module = stored.open().module()
        if not mutate(module, kind, f"{self.net} {plan.variant}"):
            return {"skipped": "nothing of the kind in it"}
        if not _differs(module, stored, built):
            return {"skipped": "no output changes"}
        with tempfile.TemporaryDirectory(prefix="edgeship-broken-") as work:
            context = stored.context(plan.target.needs, Path(work), lambda text: None, lambda what, text: None)
            out = Path(work) / "out"
            out.mkdir()
            try:
                program = programs.export(module, context.example, stored.signature)
                artifact = plan.target.export(program, out, context)
            except Exception as error:  # a program that no converter takes ships nothing
                return {"skipped": f"not made: {type(error).__name__}: {str(error)[:120]}"}
            if artifact.sha256 == built.artifact.sha256:
                return {"skipped": "the converter writes the sound file all the same"}
            artifact = artifact.model_copy(update={"constants": audit(stored.open(), artifact, out)})
            return _row(judging.judge(artifact, out, self.link, case_of(built, self.recipe)))


def _differs(module: torch.fx.GraphModule, stored: StoredProgram, built: Built) -> bool:
    """Whether any output for any sample differs from the sound program's in any bit."""
    data = load_samples(built.comparison.samples)
    sound = stored.open().module()
    for index in range(len(next(iter(load_samples(built.comparison.expected).inputs.values())))):
        row = [torch.from_numpy(np.array(array, order="C")) for array in data.row(index)]
        with torch.no_grad():
            if any(not torch.equal(a, b) for a, b in zip(module(*row), sound(*row), strict=True)):
                return True
    return False


def _row(verdict: judging.Verdict) -> dict[str, Any]:
    parity, limits = verdict.against_program, verdict.threshold
    return {
        "verdict": verdict.verdict,
        "reason": "; ".join(verdict.reasons)[:200],
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
    for net in options.net or (QUICK_NETS if options.quick else NETS):
        _net(net, targets, results, deadline)
    results.finish(goals)


def _net(net: str, targets: tuple[str, ...], results: Results, deadline: float) -> None:
    for target in targets:
        if time.monotonic() > deadline:
            return
        recipe = recipe_of(net, (target,))
        names = [(plan, kind) for plan in recipe.plans if not plan.unsupported for kind in (SOUND, *MUTATIONS)]
        if all(_name(net, plan, kind) in results.rows for plan, kind in names):
            continue
        with (
            tempfile.TemporaryDirectory(prefix="edgeship-") as work,
            builder(recipe, Store(), Path(work) / "log.txt", _tell, frozenset({target, "program"})) as made,
        ):
            _lines(Bench(net, recipe, made, Forked()), results, deadline)


def _lines(bench: Bench, results: Results, deadline: float) -> None:
    for line in list(bench.builder.build()):  # all built first: torch.export takes no second thread beside it
        if not isinstance(line, Built):
            if line.status == "failed":
                say(f"{line.plan.name}: not made: {line.reason}")
            continue
        for kind in (SOUND, *MUTATIONS):
            name = _name(bench.net, line.plan, kind)
            if name in results.rows or time.monotonic() > deadline:
                continue
            row = bench.sound(line) if kind == SOUND else bench.broken(line, kind)
            results.put(name, row, goals)
            say(
                f"{name}: {row.get('verdict') or row['skipped']} {row.get('sqnr_db', '')} {row.get('reason', '')[:100]}"
            )


def _name(net: str, plan: Plan, kind: str) -> str:
    return f"{net}/{plan.variant}/{plan.target_name}/{kind}"


def _tell(event: Event) -> None:
    """Workers' progress is not told."""


if __name__ == "__main__":
    main()

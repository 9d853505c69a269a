"""Are broken files caught, and sound ones let through? Programs are broken, exported, and judged against the sound one.

Each file goes through its real runtime and the verdict that every run ends in. A run goes on where the last one
stopped; --minutes ends it in time. A change that alters no output of the program, bit by bit, is not counted: there is
nothing to see.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.broken_subject import Row, Subject
from benchmarks.broken_table import SOUND, counted, exact_interval
from benchmarks.mutations import MUTATIONS
from benchmarks.patches import PATCHES
from benchmarks.results import ROOT, Goal, Results, at_least, at_most, say, say_failure
from edgeship.toolchain.build.builder import builder
from edgeship.toolchain.build.lines import Built
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.recipe import read as recipes
from edgeship.toolchain.recipe.plan import Recipe

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
        builder(recipe, Store(), Path(work) / "log.txt", say_failure, frozenset({*targets, "program"})) as made,
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


if __name__ == "__main__":
    main()

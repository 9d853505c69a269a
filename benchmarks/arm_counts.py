"""Instructions of one call on emulated ARM cores: the six networks, float and int8, as ExecuTorch files.

Counts are exact, so this may run beside anything; a run goes on where the last one stopped. Beside them stands what
phones took: XNNPACK's README of 2020 gives single-thread latencies of three MobileNets, float, and their ratios are
compared with those of the counts. About an hour on two slow cores, most of it qemu's.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.models import COUNTED, NAMES
from benchmarks.results import ROOT, Goal, Results, say, say_failure
from edgeship.toolchain.build.builder import builder
from edgeship.toolchain.build.lines import Built
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.devices.emulated.device import EmulatedLink
from edgeship.toolchain.measure.bench import Subject
from edgeship.toolchain.measure.count import count
from edgeship.toolchain.recipe import read as recipes
from edgeship.toolchain.recipe.plan import Recipe
from edgeship.toolchain.samples import load_samples

CORES = ("cortex-a53", "cortex-a72", "cortex-a76")
VARIANTS = {"float": [], "int8": ["quantize-static"]}


def recipe_of(name: str) -> Recipe:
    """Of one network, for ExecuTorch alone."""
    recipe = (ROOT / "benchmarks" / "recipes" / "mobilenet_v2.toml").read_text()
    start = recipe[: recipe.index("[variants]")].replace('"mobilenet_v2"', f'"{name}"')
    start = start.replace("[build]\n", "[build]\nworkers = 1\n")  # both families run in this process
    variants = "".join(f"{variant} = {passes}\n" for variant, passes in VARIANTS.items()).replace("'", '"')
    return recipes.parse(f"{start}[variants]\n{variants}[targets.executorch]\n", ROOT / "benchmarks" / "recipes")


def files(name: str) -> Iterator[Built]:
    """The network's files."""
    recipe = recipe_of(name)
    with (
        tempfile.TemporaryDirectory(prefix="edgeship-") as work,
        builder(recipe, Store(), Path(work) / "log.txt", say_failure, frozenset({"program", "executorch"})) as made,
    ):
        yield from (line for line in made.build() if isinstance(line, Built))


def no_goals(rows: dict[str, Any]) -> Iterator[Goal]:
    """A count is a count."""
    yield from ()


def main() -> None:
    """Count what is not counted yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", action="append", choices=(*NAMES, *COUNTED))
    parser.add_argument("--quick", action="store_true", help="one network, kept apart")
    options = parser.parse_args()
    results = Results("arm_counts", options.quick)
    names = options.network or (COUNTED if options.quick else (*COUNTED, *NAMES))
    for name in names:
        wanted = [f"{name}/{variant}/{core}" for variant in VARIANTS for core in CORES]
        if all(key in results.rows for key in wanted):
            continue
        for line in files(name):
            samples = load_samples(line.comparison.samples)
            subject = Subject(line.plan.name, line.artifact, line.folder, samples)
            for core in CORES:
                if (key := f"{name}/{line.plan.variant}/{core}") not in results.rows:
                    counted = count(subject, EmulatedLink(core), Store())
                    results.put(key, counted.model_dump(), no_goals)
                    say(f"{key}: {counted.total / 1e6:.1f} M instructions")
    results.finish(no_goals)


if __name__ == "__main__":
    main()

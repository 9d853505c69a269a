"""The examples' recipes run for the pages' tables: digits (as the demo does), minilm and pitch; `make weights` first.

Alone on two cores, with --quick measuring: digits 3 minutes, pitch 4, minilm 8. In the full form each file is measured
5 × 10 s and more: about 30 minutes in all. An example is given up after --minutes (45).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from benchmarks import lines
from benchmarks.results import ROOT, Goal, Results, at_least, at_most, say

EXAMPLES = {"demo": "digits", "minilm": "minilm", "pitch": "pitch"}


def goals(name: str, rows: dict[str, Any]) -> Iterator[Goal]:
    """What issue 3 says the example must show."""
    found = rows.get(name, {}).get("lines", [])
    if name in ("demo", "pitch"):
        for line in found:
            if line["variant"] == "int8" and "metric" in line:
                drop = 100 * (line["metric"]["float"] - line["metric"]["artifact"])
                yield at_most(f"points-below-float/{line['target']}", round(drop, 3), 1.0)
    if name == "minilm":
        static = [
            line for line in found if line["variant"] == "int8-static" and line.get("verdict") in ("pass", "fail")
        ]
        yield at_least("collapsed-static-int8-caught", sum(line["verdict"] == "fail" for line in static), len(static))
        for line in found:
            if line["variant"] == "int8-dynamic" and "latency_ratio" in line:
                yield at_most(f"dynamic-int8-to-float/{line['target']}", line["latency_ratio"], 1.0)
    wanted = [line for line in found if line["status"] != "unsupported" and line["variant"] != "int8-static"]
    if wanted:
        good = sum(line["status"] == "ok" and line.get("verdict") != "fail" for line in wanted)
        yield at_least("lines-made-and-not-refuted", good / len(wanted), 1.0)


def main() -> None:
    """Run the examples that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(EXAMPLES)}; default: all")
    parser.add_argument("--quick", action="store_true", help="the demo only, results not kept for the pages")
    parser.add_argument("--short", action="store_true", help="measure as `edgeship run --quick` does")
    parser.add_argument("--minutes", type=float, default=45, help="longest time for one example")
    options = parser.parse_args()
    for name in options.names or (["demo"] if options.quick else EXAMPLES):
        results = Results(name, options.quick)
        recipe = ROOT / "examples" / EXAMPLES[name] / "recipe.toml"
        short = ["--quick"] if options.quick or options.short else []
        say(f"{name}: edgeship run {recipe.relative_to(ROOT)} {' '.join(short)}")
        row = lines.run(recipe, short, options.minutes)
        say(f"{name}: {row.get('error') or f'''{row['seconds']:.0f} s'''}")
        results.rows[name] = row
        results.finish(lambda rows, name=name: goals(name, rows))  # type: ignore[misc]


if __name__ == "__main__":
    main()

"""Six networks × {float, int8 static, int8 dynamic} × six runtimes: which converts, verifies, and how fast.

Runs `edgeship run recipes/MODEL.toml --quick`, one network after another; what is in edgeship's cache already is
not built again. About 5 minutes per network alone on two cores; a network is given up after --minutes (12).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from benchmarks import lines
from benchmarks.results import ROOT, Goal, Results, at_least, at_most, say

MODELS = ("mobilenet_v2", "mobilenet_v3_large", "resnet18", "efficientnet_lite0", "vit_tiny", "mobilenetv4_conv_small")


def goals(rows: dict[str, Any]) -> Iterator[Goal]:
    """Memory of the build workers; whether every line was made or is known to be unsupported."""
    for model in MODELS:
        if model in rows:
            peak = rows[model].get("peak_bytes")
            yield at_most(f"build-worker-memory-gb/{model}", None if peak is None else peak / 1e9, 4.0)
    made = [line for row in rows.values() for line in row.get("lines", []) if line["status"] != "unsupported"]
    if made:
        yield at_least("lines-converted", sum(line["status"] == "ok" for line in made) / len(made), 1.0)
        judged = [line for line in made if line.get("verdict") in ("pass", "fail")]
        yield at_least("verdicts-passed", sum(line["verdict"] == "pass" for line in judged) / max(1, len(judged)), 1.0)


def main() -> None:
    """Run the networks that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", choices=MODELS, help="only this network; may be repeated")
    parser.add_argument("--quick", action="store_true", help="mobilenet_v2 only")
    parser.add_argument("--minutes", type=float, default=12, help="longest time for one network")
    options = parser.parse_args()
    results = Results("zoo", options.quick)
    for model in options.model or (MODELS[:1] if options.quick else MODELS):
        say(f"{model}: edgeship run --quick (at most {options.minutes:g} min)")
        before = results.rows.get(model, {})
        row = lines.run(ROOT / "benchmarks" / "recipes" / f"{model}.toml", ["--quick"], options.minutes)
        if "error" in row:
            say(f"{model}: {row['error']}")
        else:
            # from a warm cache nothing is built: the peak is the one of the run that built
            row["peak_bytes"] = max([*row["worker_peak_bytes"].values(), before.get("peak_bytes") or 0]) or None
            say(f"{model}: {row['seconds']:.0f} s, {_counts(row['lines'])}")
        results.put(model, row, goals)
    results.finish(goals)


def _counts(found: list[dict[str, Any]]) -> str:
    names = [line.get("verdict", line["status"]) for line in found]
    return ", ".join(f"{names.count(name)} {name}" for name in dict.fromkeys(names))


if __name__ == "__main__":
    main()

"""What artifact_latency asks of its rows: by row where every one must hold, by share where most must."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.results import Goal, at_least, at_most

NETWORKS = 24
SHARE = 0.95
LATENCY, WORST_LATENCY = 1.02, 1.10
"""Ours ÷ theirs, the low end of the 95% interval: of SHARE of the rows, and of each."""
SIZE = 1.02
SQNR_TOLERANCE_DB = 0.5
COSINE_TOLERANCE = 0.0005
FLOAT_LATENCY = 1.02
"""Ours ÷ its float twin, the low end: above it the row must name the operator that is to blame."""
WIDE = 1.2
"""An interval whose ends differ by more than this factor says nothing: measure again on a quieter machine."""


def goals(rows: dict[str, Any]) -> Iterator[Goal]:
    """Ours no slower, no worse and no larger than theirs, and no slower than float without a reason that is named."""
    made = {name: row for name, row in rows.items() if "error" not in row}
    if not made:
        return
    yield at_least("networks", len({row["model"] for row in made.values()}), NETWORKS)
    yield at_least("rows-made", len(made) / len(rows), 1.0, _named(set(rows) - set(made)))
    timed = {name: row for name, row in made.items() if "ours_to_theirs" in row}
    if timed:
        slower = {name for name, row in timed.items() if row["ours_to_theirs"][1] > LATENCY}
        yield at_least(f"latency-to-theirs-at-most-{LATENCY}/share", _share(slower, timed), SHARE, _named(slower))
        worst = max(timed, key=lambda name: float(timed[name]["ours_to_theirs"][1]))
        yield at_most("latency-to-theirs/worst", timed[worst]["ours_to_theirs"][1], WORST_LATENCY, worst)
        unexplained = {
            name for name, row in timed.items() if row["ours_to_float"][1] > FLOAT_LATENCY and not row.get("to_blame")
        }
        yield at_most("slower-than-float-without-a-reason/rows", len(unexplained), 0, _named(unexplained))
        wide = {name for name, row in timed.items() if row["ours_to_theirs"][2] > WIDE * row["ours_to_theirs"][1]}
        yield at_most("intervals-too-wide-to-tell/rows", len(wide), 0, _named(wide))
    worse = {name for name, row in made.items() if quality_lost(row)}
    yield at_least(
        f"quality-above-theirs-minus-{SQNR_TOLERANCE_DB}-db/share", _share(worse, made), SHARE, _named(worse)
    )
    larger = {name for name, row in made.items() if row["size_bytes"]["ours"] > SIZE * row["size_bytes"]["theirs"]}
    yield at_least(f"size-to-theirs-at-most-{SIZE}/share", _share(larger, made), 1.0, _named(larger))


def quality_lost(row: dict[str, Any]) -> bool:
    """Whether our file is farther from the float model than theirs: in SQNR, of dynamic int8 in cosine."""
    if row["variant"] == "int8-dynamic":
        return bool(row["cosine"]["ours"] - row["cosine"]["theirs"] < -COSINE_TOLERANCE)
    return bool(row["sqnr_db"]["ours"] - row["sqnr_db"]["theirs"] < -SQNR_TOLERANCE_DB)


def _share(missed: set[str], rows: dict[str, Any]) -> float:
    return 1 - len(missed) / len(rows)


def _named(rows: set[str]) -> str:
    return ", ".join(sorted(rows))

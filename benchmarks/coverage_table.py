"""The tables of the coverage sweep: made and right by runtime, what quantization kept, and why lines are not right."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.markdown import RUNTIMES, Document, conditions, goal_line, grid

VARIANTS = ("float", "int8", "int8-dynamic")
BANDS_DB = (40, 30, 20, 15)
"""Where the table of what quantization kept is cut; below the last one a result counts as collapsed."""


def coverage_table(document: Document, results: Path) -> str:
    """Files that are made and right, by runtime; below them what is not, by its reason."""
    rows: list[dict[str, Any]] = [row for row in document["rows"].values() if row["carried"]]

    def cell(target: str, variant: str) -> str:
        some = [row for row in rows if (row["target"], row["variant"]) == (target, variant)]
        right, made = sum(row["right"] for row in some), sum(row["made"] for row in some)
        return f"{right} of {len(some)}" + (f" ({made} made)" if right < made else "") if some else "–"

    table = grid(
        ["right against their own program", *VARIANTS],
        [[told, *(cell(target, variant) for variant in VARIANTS)] for target, told in RUNTIMES.items()],
    )
    how = conditions(document, "A refusal counts as not made; – is not something the runtime carries, or not run.")
    goals = "".join(f"\n- {goal_line(goal)}" for goal in document["goals"])
    kept = grid(["SQNR to the float model", *VARIANTS[1:]], _kept(rows))
    return (
        f"{table}\n\n{how}\n{goals}\n\n"
        f"What quantization kept of the models, once per network (the program, whatever the runtime):\n\n{kept}\n\n"
        f"{_slowest(rows)}\n{_reasons(rows)}"
    )


def _kept(rows: list[dict[str, Any]]) -> list[list[str]]:
    """Networks in bands of decibels, by variant; the lowest band with its figures."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for row in sorted(rows, key=lambda row: row["target"] != "onnx"):  # others may choose dynamic scales by rows
        if "kept_db" in row:
            found[row["variant"]].setdefault(row["network"], row["kept_db"])
    ends = [float("inf"), *BANDS_DB, float("-inf")]
    body = []
    for high, low in pairwise(ends):
        cells = []
        for variant in VARIANTS[1:]:
            some = {name: db for name, db in found[variant].items() if low <= db < high}
            worst = ", ".join(f"{name} {db}" for name, db in sorted(some.items(), key=lambda pair: pair[1]))
            cells.append(worst or "none" if low == ends[-1] else str(len(some)))
        body.append([f"≥ {low:g} dB" if low > ends[-1] else f"< {high:g} dB", *cells])
    return body


def _slowest(rows: list[dict[str, Any]]) -> str:
    """The step that took longest, and the line it belongs to."""
    steps = [(seconds, step, row) for row in rows for step, seconds in row.get("seconds", {}).items()]
    if not steps:
        return ""
    seconds, step, row = max(steps, key=lambda found: found[0])
    return (
        f"The longest step: {step} of {row['network']} {row['variant']} for {RUNTIMES[row['target']]}, "
        f"{seconds:.0f} s, two steps at once.\n"
    )


def _reasons(rows: list[dict[str, Any]]) -> str:
    """Lines that are not right, once per reason."""
    told: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if not row["right"]:
            known = "refused before the conversion: " if row.get("known_before") else ""
            reason = f"{known}{row.get('reason', 'no reason given')}"
            told[reason].append(f"{row['network']} {row['variant']} {RUNTIMES[row['target']]}")
    return "".join(f"\n- {', '.join(names)}: {reason}" for reason, names in told.items())

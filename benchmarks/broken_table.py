"""The table of broken files: kinds down, formats across, how many were caught; below it bounds and misses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.markdown import RUNTIMES, Document, conditions, grid

SOUND = "sound"


def counted(rows: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """(kind, target, whether the verdict was right) of every row that counts."""
    for name, row in rows.items():
        kind, target = name.split("/")[3], name.split("/")[2]
        if "skipped" not in row and row["verdict"] != "not-executed":
            yield kind, target, row["verdict"] == "pass" if kind == SOUND else row["verdict"] != "pass"


def exact_interval(hits: int, count: int) -> tuple[float, float]:
    """Clopper and Pearson's 95% interval of a share."""
    from scipy import stats

    interval = stats.binomtest(hits, count).proportion_ci(0.95, method="exact")
    return float(interval.low), float(interval.high)


def broken_table(document: Document, results: Path) -> str:
    """Caught ÷ judged by kind and format, how many of them only the constants told, and the sound files that passed."""
    rows: dict[str, Any] = document["rows"]
    found = list(counted(rows))
    targets = [target for target in RUNTIMES if any(target == other for _, other, _ in found)]
    every = dict.fromkeys(name.split("/")[3] for name in rows)  # in the order of the first round
    kinds = [kind for kind in every if kind != SOUND and any(kind == other for other, _, _ in found)]

    def cell(kind: str, target: str | None) -> str:
        right = [ok for of, at, ok in found if of == kind and target in (None, at)]
        return f"{sum(right)} of {len(right)}" if right else ""

    def audited(kind: str) -> str:
        return str(sum(row.get("seen_in") == ["constants"] for name, row in rows.items() if name.endswith(f"/{kind}")))

    body = [[kind, *(cell(kind, target) for target in targets), cell(kind, None), audited(kind)] for kind in kinds]
    body.append(["sound files that pass", *(cell(SOUND, target) for target in (*targets, None)), ""])
    head = ["broken by", *(RUNTIMES[target] for target in targets), "all", "only the constants tell"]
    broken = [ok for kind, _, ok in found if kind != SOUND]
    sound = [ok for kind, _, ok in found if kind == SOUND]
    missed, alarms = len(broken) - sum(broken), len(sound) - sum(sound)
    said = (
        f"{sum(broken)} of {len(broken)} broken files are caught (missed: {missed}, at most "
        f"{exact_interval(missed, len(broken))[1]:.1%} at 95%); {alarms} false alarms on {len(sound)} sound files "
        f"(at most {exact_interval(alarms, len(sound))[1]:.1%})."
    )
    nets = ", ".join(dict.fromkeys(name.split("/")[0] for name in rows))
    how = conditions(document, f"Caught ÷ judged; networks: {nets}; bounds of Clopper and Pearson.")
    passed = [
        f"\n- {name}: {row['sqnr_db']} dB" + (f" (floor {row['floor_db']})" if row.get("floor_db") else "")
        for name, row in rows.items()
        if "skipped" not in row and not name.endswith(f"/{SOUND}") and row["verdict"] == "pass"
    ]
    told = f"\n\nNot caught:\n{''.join(passed)}" if passed else ""
    return f"{grid(head, body)}\n\n{said}\n\n{how}{told}"

"""The table of verdicts on files whose real difference is known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.broken_table import exact_interval
from benchmarks.markdown import Document, conditions, grid
from edgeship.toolchain import stats

KINDS = ("same", "slower", "faster")
TRUTH = "truth"
RIGHT = {"same": "no change", "slower": "regression", "faster": "improvement"}
VERDICTS = ("regression", "improvement", "no change", "inconclusive")


def named_right(kind: str, verdicts: Sequence[str]) -> int:
    """How many say what is so."""
    return list(verdicts).count(RIGHT[kind])


def effects(rows: Mapping[str, Any]) -> dict[str, tuple[float, tuple[float, float] | None]]:
    """What the others really cost beside the base, and its 95% interval, over all sessions of the truth."""
    logs: dict[str, list[float]] = {}
    for name, row in rows.items():
        if name.startswith(f"{TRUTH}/"):
            for kind, values in row["log_ratios"].items():
                logs.setdefault(kind, []).extend(values)
    found = {}
    for kind, values in logs.items():
        interval = stats.t_interval(np.asarray(values))
        found[kind] = (math.exp(np.mean(values)), interval and (math.exp(interval[0]), math.exp(interval[1])))
    return found


def aa_table(document: Document, results: Path) -> str:
    """Verdicts by what is so, and the interval's width by the number of pairs."""
    rows: dict[str, Any] = document["rows"]
    truth = effects(rows)
    body = []
    for kind in KINDS:
        found = [row["verdict"] for name, row in rows.items() if name.startswith(f"{kind}/")]
        ratio, interval = truth.get(kind, (1.0, None))
        really = f"{ratio:.3f} [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else "1"
        body.append([f"{kind} ({len(found)})", really, *(str(found.count(verdict)) for verdict in VERDICTS)])
    compared = [row for name, row in rows.items() if not name.startswith(f"{TRUTH}/")]
    widths = []
    for count in compared[0]["half_widths"]:
        values = [row["half_widths"][count] for row in compared]
        widths.append([count, f"±{np.median(values):.1%}", f"±{np.quantile(values, 0.9):.1%}", f"±{max(values):.1%}"])
    same = [row["verdict"] for name, row in rows.items() if name.startswith("same/")]
    false = sum(verdict in ("regression", "improvement") for verdict in same)
    said = (
        f"False verdicts on identical files: {false} of {len(same)} (at most {exact_interval(false, len(same))[1]:.1%} "
        "at 95%, Clopper and Pearson)."
    )
    how = conditions(document, "Float ExecuTorch files under the native agent, launches of 0.3 s, threshold 5%.")
    return (
        f"{grid(['files', 'really', *VERDICTS], body)}\n\n{said}\n\n"
        f"{grid(['pairs', 'interval, median', '90% are within', 'widest'], widths)}\n\n{how}"
    )

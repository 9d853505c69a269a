"""The table of agent_overhead: what the native agent adds to the library that it drives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.markdown import RUNTIMES, Document, conditions, goal_line, grid
from edgeship.toolchain.report.format import milliseconds, size


def overhead_table(document: Document, results: Path) -> str:
    """Latency and peak memory of both, by runtime and variant."""
    head = ["", "", "bare loop", "agent", "agent ÷ bare loop", "peak memory, bare loop", "agent's above it"]
    rows: dict[str, Any] = document["rows"]
    body = []
    for name, row in sorted(rows.items()):
        target, variant = name.split(" ")
        low, high = row["interval"]
        above = row["agent_peak_bytes"] - row["bare_peak_bytes"]
        body.append(
            [
                *(RUNTIMES[target], variant),
                *(f"{milliseconds(row[key])} ms" for key in ("bare_ns", "agent_ns")),
                f"{row['ratio']:.3f}× [{low:.3f}, {high:.3f}]",
                *(size(row["bare_peak_bytes"]), f"{above / 1e6:+.1f} MB"),
            ]
        )
    counts = sorted({row["pairs"] for row in rows.values()})
    pairs = " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))
    how = f"MobileNetV2; {pairs} interleaved pairs of launches, geometric mean with its 95% interval."
    goals = "\n".join(goal_line(goal) for goal in document["goals"] if not goal["met"])
    return f"{grid(head, body)}\n\n{conditions(document, how)}" + (f"\n\n{goals}" if goals else "")

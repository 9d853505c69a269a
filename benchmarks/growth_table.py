"""The table of growth: what building costs by the size of the network, and which work took the most memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.markdown import Document, conditions, grid
from edgeship.toolchain.report.format import size


def growth_table(document: Document, results: Path) -> str:
    """Seconds, CPU seconds and peak memory of the whole process tree, beside the plain script's."""
    head = ["network", "parameters", "", "seconds", "CPU seconds", "peak memory", "most memory in one worker"]
    body = []
    for name, row in document["rows"].items():
        work = max(row.get("work", {}).items(), key=lambda pair: pair[1]["peak_bytes"], default=None)
        most = f"{size(work[1]['peak_bytes'])} ({work[0]})" if work else ""
        body.append([name, f"{row['parameters_m']} M", "edgeship run", *_cost(row["edgeship"]), most])
        body.append(["", "", "plain script", *(_cost(row["plain"]) if "plain" in row else ["not run", "", ""]), ""])
    found = [
        f"\n- {name}, {line}: {why}"
        for name, row in document["rows"].items()
        for line, why in row.get("not_passed", {}).items()
    ]
    told = f"\n\nLines that do not pass:\n{''.join(found)}" if found else ""
    how = "Float and int8 static for ExecuTorch, ONNX Runtime and LiteRT; edgeship verifies, the plain script does not."
    return f"{grid(head, body)}\n\n{conditions(document, how)}{told}"


def _cost(side: dict[str, Any]) -> list[str]:
    failed = "" if side["exit_code"] in (0, 1) else " (failed)"
    return [f"{side['seconds']:.0f}{failed}", f"{side['cpu_s']:.0f}", size(side["peak_bytes"])]

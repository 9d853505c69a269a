"""The table of updates: what a board receives for a model that was trained on, beside its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.markdown import RUNTIMES, Document, conditions, grid
from edgeship.toolchain.report.format import share, size

TRAININGS = ("last_layer", "all_layers")


def update_table(document: Document, results: Path) -> str:
    """Bytes on the wire, and their part of the file."""
    head = ["network", "variant", "runtime", "file", "first installation", "last layer trained", "all layers trained"]
    rows = []
    for model, row in document["rows"].items():
        for name, line in row["lines"].items():
            variant, target = name.split()
            told = [_received(line, training) for training in TRAININGS]
            first = size(line["before"]["bytes"])
            rows.append([model, variant, RUNTIMES[target], size(line["file_bytes"]), first, *told])
    how = (
        "Bytes of files and deltas that a board received from a loopback server, and their part of the file; golden "
        "samples are among them, and the signed manifest comes on top of each ("
        f"{', '.join(sorted({size(found) for found in _manifests(document)}))}). Trained for two epochs (digits) or "
        "one (MiniLM, 4 steps); whole: no delta was a tenth smaller than the file."
    )
    return f"{grid(head, rows)}\n\n{conditions(document, how)}"


def _received(line: dict[str, Any], training: str) -> str:
    found = line[training]
    whole = "" if found["deltas"] else ", whole"
    return f"{size(found['bytes'])} ({share(found['bytes'] / line['file_bytes'])}{whole})"


def _manifests(document: Document) -> list[int]:
    lines = [line for row in document["rows"].values() for line in row["lines"].values()]
    return [line[training]["manifest_bytes"] for line in lines for training in TRAININGS]

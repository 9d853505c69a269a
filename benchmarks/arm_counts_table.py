"""The tables of arm_counts: what each core executes, and the ratios of counts beside those of published latencies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.markdown import Document, conditions, grid
from edgeship.toolchain.report.format import ratio, share

PUBLISHED = {
    # XNNPACK's README of 2020: float, one thread, milliseconds
    "Pixel": {"mobilenet_v2": 49, "mobilenet_v3_large": 39, "mobilenet_v3_small": 12},
    "Pixel 2": {"mobilenet_v2": 53, "mobilenet_v3_large": 42, "mobilenet_v3_small": 14},
    "Pixel 3a": {"mobilenet_v2": 55, "mobilenet_v3_large": 44, "mobilenet_v3_small": 14},
}
BESIDE = "mobilenet_v2"
BIG = "cortex-a72"
"""The nearest of the counted cores to those phones' big ones."""


def arm_counts_table(document: Document, results: Path) -> str:
    """Millions of instructions by network and core, int8 beside float; then the ratios."""
    rows: dict[str, Any] = document["rows"]
    names = list(dict.fromkeys(key.split("/")[0] for key in rows))
    cores = list(dict.fromkeys(key.split("/")[2] for key in rows))
    head = ["M instructions", "", *cores, *(f"int8 ÷ float, {core}" for core in cores)]
    body = []
    for name in names:
        for variant in ("float", "int8"):
            counts = [rows.get(f"{name}/{variant}/{core}", {}).get("total") for core in cores]
            floats = [rows.get(f"{name}/float/{core}", {}).get("total") for core in cores]
            ratios = [
                ratio(a / b) if a and b and variant == "int8" else "" for a, b in zip(counts, floats, strict=True)
            ]
            shown = [f"{each / 1e6:.1f}" if each else "" for each in counts]
            body.append([name if variant == "float" else "", variant, *shown, *ratios])
    how = "ExecuTorch (XNNPACK), one call; exact, whatever else runs."
    return f"{grid(head, body)}\n\n{conditions(document, how)}\n\n{_published(rows)}"


def _published(rows: dict[str, Any]) -> str:
    counted = {name: rows.get(f"{name}/float/{BIG}", {}).get("total") for name in PUBLISHED["Pixel"]}
    if not all(counted.values()):
        return ""
    head = [f"float, ÷ {BESIDE}", f"counted on {BIG}", *(f"{phone}, measured" for phone in PUBLISHED)]
    body = []
    for name in counted:
        if name == BESIDE:
            continue
        ours = counted[name] / counted[BESIDE]
        cells = [
            f"{took[name] / took[BESIDE]:.2f} ({share(ours / (took[name] / took[BESIDE]) - 1)})"
            for took in PUBLISHED.values()
        ]
        body.append([name, f"{ours:.2f}", *cells])
    return f"{grid(head, body)}\n\nIn brackets: by how much the ratio of counts is larger than that of the latencies."

"""What the tables of all benchmarks are made of."""

from __future__ import annotations

from typing import Any

from benchmarks.results import Goal

Document = dict[str, Any]
"""A file of results/."""
RUNTIMES = {"executorch": "ExecuTorch", "onnx": "ONNX Runtime", "litert": "LiteRT", "coreml": "Core ML",
            "coreai": "Core AI", "torchscript": "TorchScript"}  # fmt: skip


def grid(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def conditions(document: Document, how: str) -> str:
    """When, where and how it was measured."""
    device = document["environment"]["device"]
    cpu = device.get("cpu", {})
    machine = device.get("model", cpu.get("arch", "unknown machine"))
    features = cpu.get("features", [])
    shared = ", a shared virtual machine" if "hypervisor" in features else ""
    if cpu.get("arch") == "x86_64" and not any("vnni" in feature for feature in features):
        shared += ", no int8 dot product (VNNI)"
    return f"*{document['created_at'][:10]}, {machine}, {cpu.get('cores', '?')} cores{shared}, 1 thread. {how}*"


def goal_line(goal: dict[str, Any]) -> str:
    """One goal of a benchmark: its value, its limit, whether it was met, and the rows that missed it."""
    return str(Goal(**goal)).removeprefix("goal ")

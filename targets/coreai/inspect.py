"""What is in an .aimodel: inputs, outputs, operators and the types they compute in."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from edgeship.targets.coreai.constants import constants
from edgeship.targets.coreai.upstream import AssetOperation, read_asset

__all__ = ["constants", "inspect_file"]

MOVES = {
    *("constant", "output", "reshape", "transpose", "pad", "broadcast_to", "broadcast_in_dims", "concat", "slice"),
    *("expand_dims", "squeeze", "cast", "gather", "quantize", "dequantize", "split", "tile", "shape"),
    *("constexpr_blockwise_shift_scale", "blockwise_shift_scale", "get_shape"),
}
"""Operators that compute nothing: they have no part in what a file computes in."""


def inspect_file(path: Path) -> dict[str, Any]:
    """The facts that `edgeship inspect` prints."""
    found = read_asset(path)
    kinds = Counter(op.kind for op in found.operations if op.kind not in ("constant", "output"))
    stored = [op for op in found.operations if op.kind == "constant"]
    return {
        "format": "coreai",
        "inputs": [{"name": n, "dtype": d, "shape": s} for n, d, s in found.inputs],
        "outputs": [{"name": n, "dtype": d, "shape": s} for n, d, s in found.outputs],
        "operators": dict(kinds.most_common()),
        "dtypes": compute_dtypes(found.operations),
        "weight_bytes": weight_bytes(found.operations),
        "largest": [[op.name, op.bytes] for op in sorted(stored, key=lambda op: -op.bytes)[:10]],
        "backends": {},
    }


def compute_dtypes(operations: list[AssetOperation]) -> dict[str, int]:
    """Operators by the type they compute in; those that read nothing but dequantized integers count as int8."""
    counts: Counter[str] = Counter()
    for op in operations:
        if op.kind in MOVES:
            continue
        computed = [made_by for made_by in op.made_by if made_by != "constant"]
        integer = bool(computed) and all(made_by == "dequantize" for made_by in computed)
        counts["int8" if integer else op.dtype] += 1
    return dict(counts.most_common())


def weight_bytes(operations: list[AssetOperation]) -> dict[str, int]:
    """Bytes of constants by their type."""
    total: Counter[str] = Counter()
    for op in operations:
        if op.kind == "constant":
            total[op.dtype] += op.bytes
    return dict(total.most_common())

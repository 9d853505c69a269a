"""What a file must hold, whatever it answers: an int8 artifact that computes in float is a failure."""

from __future__ import annotations

from edgeship.toolchain.artifact import Artifact
from edgeship.toolchain.quant import FLOAT16, FLOAT32, QuantSpec


def content_reasons(artifact: Artifact, spec: QuantSpec) -> list[str]:
    """Why the file is not what was asked for, the float operators of its parts included; empty when it is."""
    integer = sum(count for dtype, count in artifact.dtypes.items() if dtype in ("int8", "uint8"))
    if spec.is_integer and not integer:
        return [f"asked for {spec}, but no operator in the file computes in int8 ({_counts(artifact.dtypes)})"]
    small = {"int8", "uint8", "int4", "uint4"} & set(artifact.weight_bytes)
    if spec.has("weights") and not small:
        return [f"asked for {spec}, but the file holds no integer weights ({_counts(artifact.weight_bytes)})"]
    if FLOAT16 in spec.each and not artifact.weight_bytes.get("float16"):
        return [f"asked for float16, but the file holds no half weights ({_counts(artifact.weight_bytes)})"]
    floats = {"float32", "float16"}  # Core ML computes the float32 of a program in float16
    if (
        spec.parts
        and FLOAT32 in spec.each
        and not (floats & set(artifact.dtypes) and floats & set(artifact.weight_bytes))
    ):
        found = f"operators {_counts(artifact.dtypes)}; weights {_counts(artifact.weight_bytes)}"
        return [f"asked for {spec}, but no operator in the file computes in float with weights of its own ({found})"]
    return []


def content_warnings(artifact: Artifact) -> list[str]:
    """What runs elsewhere than its runtime's fast path."""
    placed = artifact.placement
    if placed is None or placed.not_delegated <= placed.delegated:
        return []
    total = placed.not_delegated + placed.delegated
    return [f"{placed.not_delegated} of {total} nodes run outside the delegate"]


def _counts(table: dict[str, int]) -> str:
    return ", ".join(f"{key}: {value}" for key, value in sorted(table.items())) or "nothing known"

"""What a file must hold, whatever it answers: an int8 artifact that computes in float is a failure."""

from __future__ import annotations

from edgeship.toolchain.artifact import Artifact
from edgeship.toolchain.quant import FLOAT16, FLOAT32, QuantSpec


def content_reasons(artifact: Artifact, spec: QuantSpec) -> list[str]:
    """Why the file is not what was asked for, the float layers of its parts included; what is unknown is no reason."""
    return [*_kind_reasons(artifact, spec), *_constant_reasons(artifact)]


def _constant_reasons(artifact: Artifact) -> list[str]:
    """Why the file's numbers are not its program's, however small a difference they make."""
    audit = artifact.constants
    if audit is None or not audit.faults:
        return []
    return [f"only {audit}: {'; '.join(audit.faults)}"]


def _kind_reasons(artifact: Artifact, spec: QuantSpec) -> list[str]:
    operators, weights = artifact.dtypes, artifact.weight_bytes
    if spec.is_integer and operators is not None and not {"int8", "uint8"} & set(operators):
        return [f"asked for {spec}, but no operator in the file computes in int8 ({_counts(operators)})"]
    if spec.has("weights") and weights is not None and not {"int8", "uint8", "int4", "uint4"} & set(weights):
        return [f"asked for {spec}, but the file holds no integer weights ({_counts(weights)})"]
    if FLOAT16 in spec.each and weights is not None and not weights.get("float16"):
        return [f"asked for {spec}, but the file holds no half weights ({_counts(weights)})"]
    floats = {"float32", "float16"}  # Core ML computes the float32 of a program in float16
    for what, counts in (("operator", operators), ("weight", weights)):
        if spec.parts and FLOAT32 in spec.each and counts is not None and not floats & set(counts):
            return [f"asked for {spec}, but no {what} in the file is float ({_counts(counts)})"]
    return []


def content_warnings(artifact: Artifact) -> list[str]:
    """What is unknown, and what runs elsewhere than its runtime's fast path."""
    unknown = ["what the file computes in is unknown: its backends' own data are not read"]
    warnings = unknown if artifact.dtypes is None else []
    placed = artifact.placement
    if placed is None or placed.left is None or placed.left <= placed.taken:
        return warnings
    return [*warnings, f"{placed.left} of {placed.left + placed.taken} nodes run outside the delegate"]


def _counts(table: dict[str, int]) -> str:
    return ", ".join(f"{key}: {value}" for key, value in sorted(table.items())) or "nothing known"

"""What an .mlpackage holds: inputs, outputs, operators, the types they compute in, the largest constants."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from edgeship.targets.coreml.constants import constants
from edgeship.targets.coreml.upstream import (
    MilProgram,
    Operation,
    Value,
    coremltools_to_read,
    operations,
    read_program,
    read_spec,
)
from edgeship.toolchain.api import UnsupportedError

__all__ = ["constants", "inspect_file"]

MOVES = {
    *("reshape", "expand_dims", "squeeze", "transpose", "flatten2d", "concat", "stack", "split", "tile", "reverse"),
    *("shape", "fill", "fill_like", "range_1d", "slice_by_index", "slice_by_size", "slice_update", "pad", "identity"),
    *("gather", "gather_along_axis", "gather_nd", "cast", "quantize", "dequantize", "pixel_shuffle"),
    *("pixel_unshuffle", "cond", "while_loop"),
}
"""Operators that compute nothing: they have no part in what a file computes in."""


def inspect_file(path: Path) -> dict[str, Any]:
    """The facts that `edgeship inspect` prints; UnsupportedError when the package is not an ML program.

    For a process that reads: one that had not imported coremltools before cannot convert any more.
    """
    coremltools_to_read()
    spec = read_spec(path)
    if spec.WhichOneof("Type") != "mlProgram":
        raise UnsupportedError(
            f"{path}: holds a {spec.WhichOneof('Type')}, not an ML program", "convert it for iOS 15 up"
        )
    program = read_program(path)
    return {
        "format": "coreml",
        "minimum_version": minimum_version(spec),
        "inputs": [_feature(feature) for feature in spec.description.input],
        "outputs": [_feature(feature) for feature in spec.description.output],
        "operators": dict(Counter(op.kind for op in operations(program.main)).most_common()),
        "dtypes": compute_dtypes(program),
        "weight_bytes": weight_bytes(program),
        "largest": [[name, size] for name, _, size in sorted(program.stored, key=lambda row: -row[2])[:10]],
        "backends": {},
    }


def compute_dtypes(program: MilProgram) -> dict[str, int]:
    """Operators by the type they compute in.

    MIL writes an integer operator as dequantize → operator → quantize and leaves the fusion to the device: operators
    whose every computed input is dequantized count as int8.
    """
    made_by = {value.name: op.kind for op in operations(program.main) for value in op.outputs}
    counts: Counter[str] = Counter()
    for op in operations(program.main):
        if op.kind in MOVES:
            continue
        given = [v for value in op.inputs.values() for v in (value if isinstance(value, list) else [value])]
        computed = [made_by.get(v.name) for v in given if v.constant is None]
        integer = bool(computed) and all(kind == "dequantize" for kind in computed)
        counts["int8" if integer else _operand(op, given).dtype] += 1
    return dict(counts.most_common())


def _operand(op: Operation, given: list[Value]) -> Value:
    """The value whose type says what an operator computes in: a comparison's inputs are more telling than its bool."""
    return next((value for value in given if value.constant is None), op.outputs[0])


def weight_bytes(program: MilProgram) -> dict[str, int]:
    """Bytes of stored constants per type."""
    total: Counter[str] = Counter()
    for _, dtype, size in program.stored:
        total[dtype] += size
    return dict(total.most_common())


_VERSIONS = {6: "iOS15", 7: "iOS16", 8: "iOS17", 9: "iOS18", 10: "iOS26"}


def minimum_version(spec: Any) -> str:
    """The first iOS that reads this specification version."""
    return _VERSIONS.get(spec.specificationVersion, f"specification {spec.specificationVersion}")


def _feature(feature: Any) -> dict[str, Any]:
    array = feature.type.multiArrayType
    flexible = [[r.lowerBound, r.upperBound] for r in array.shapeRange.sizeRanges]
    return {
        "name": feature.name,
        "dtype": array.ArrayDataType.Name(array.dataType).lower(),
        "shape": list(array.shape),
        **({"shape_range": flexible} if flexible else {}),
    }

"""Which operators of a MIL program hold numbers that float16 has not: found by evaluating the file in float32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edgeship.targets.coreml.upstream import MilProgram, Operation

if TYPE_CHECKING:
    from torch import Tensor

    from edgeship.targets.coreml.interpreter import Given

LARGEST = 65504 / 4
"""Other inputs than the one that is looked at get two bits more before they overflow."""
SMALLEST = 2.0**-14
"""Below it float16 loses bits, and below 6e-8 everything."""
HALF = "_cast_fp16"
"""What coremltools appends to the name of an operator that it makes compute in float16."""
MASK = -1e8
"""From here down a number masks something out, which -inf does as well."""


def leaving_half(program: MilProgram, inputs: Sequence[Tensor]) -> list[str]:
    """Names of the operators that take or make numbers beyond float16's normal range, in the program's order.

    `inputs` are one set of the program's, in order. Of a quantized value its whole range counts, and its scale. Empty
    where the evaluator does not know an operator.
    """
    from edgeship.targets.coreml.interpreter import Interpreter

    found: dict[str, None] = {}

    def watch(operation: Operation, given: Given, results: list[Tensor]) -> None:
        if operation.kind == "cast":
            return
        computed = [
            value
            for name, source in operation.inputs.items()
            for value, one in _pairs(given[name], source)
            if one is None or _is_weight(value)
        ]
        if any(map(_leaves, [*computed, *results])) or _quantizer_leaves(operation, given):
            found[operation.name.removesuffix(HALF)] = None

    interpreter = Interpreter(program, exact=True, watch=watch)
    if interpreter.unknown():
        return []
    interpreter.run({value.name: tensor for value, tensor in zip(program.main.inputs, inputs, strict=True)})
    return list(found)


def _pairs(given: Any, source: Any) -> list[tuple[Any, Any]]:
    """Each value beside the constant that the file holds for it, None where it is computed."""
    if isinstance(source, list):
        return [(value, one.constant) for value, one in zip(given, source, strict=True)]
    return [(given, source.constant)]


def _is_weight(constant: Any) -> bool:
    """Single numbers (an epsilon, a limit) say little: what they are added to says more."""
    numel = getattr(constant, "numel", lambda: 0)
    return bool(numel() > 1)


def _leaves(value: Tensor) -> bool:
    if not value.is_floating_point() or not value.numel():
        return False
    value = value[~(value <= MASK)]  # NaN stays
    if not value.numel():
        return False
    largest = float(value.abs().max())
    return not largest <= LARGEST or 0 < largest < SMALLEST


def _quantizer_leaves(operation: Operation, given: Given) -> bool:
    """A calibrated range says more than one sample: 255 steps of a scale."""
    import torch

    scale = given.get("scale")
    if operation.kind not in ("quantize", "dequantize") or not isinstance(scale, torch.Tensor):
        return False
    return bool((scale < SMALLEST).any() or (scale * 255 > 65504).any())

"""QuantSpec: what a program's numbers are, and its short names.

Grammar of a short name::

    float32 | float16 | w<bits>[a<bits>]-<kind>[-g<group>]

    w8a8-static     int8 weights per channel, int8 activations with calibrated ranges
    w8a8-dynamic    int8 weights per channel, activations quantized at run time
    w8-weights      int8 weights per channel, float arithmetic
    w4-weights-g32  int4 weights in groups of 32, float arithmetic
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["float", "static", "dynamic", "weights"]
_GRAMMAR = re.compile(r"w(?P<w>\d+)(?:a(?P<a>\d+))?-(?P<kind>static|dynamic|weights)(?:-g(?P<g>\d+))?")


@dataclass(frozen=True)
class QuantSpec:
    """Bits of weights and activations, when activations are quantized, and the weight group size (0: per channel)."""

    kind: Kind = "float"
    weight_bits: int = 32
    activation_bits: int = 32
    group: int = 0

    def __str__(self) -> str:
        if self.kind == "float":
            return f"float{self.weight_bits}"
        activation = f"a{self.activation_bits}" if self.activation_bits < 16 else ""
        group = f"-g{self.group}" if self.group else ""
        return f"w{self.weight_bits}{activation}-{self.kind}{group}"

    @property
    def scheme(self) -> str:
        """The name without the group size: what `Target.schemes` lists."""
        return re.sub(r"-g\d+$", "", str(self))

    @property
    def is_integer(self) -> bool:
        """Whether the runtime must compute in integers (static and dynamic)."""
        return self.kind in ("static", "dynamic")


FLOAT32 = QuantSpec()
FLOAT16 = QuantSpec("float", 16, 16)
W8A8_STATIC = QuantSpec("static", 8, 8)
W8A8_DYNAMIC = QuantSpec("dynamic", 8, 8)
W8_WEIGHTS = QuantSpec("weights", 8)


def parse(name: str) -> QuantSpec:
    """Read a short name; ValueError when it is not in the grammar."""
    if name in ("float32", "float16"):
        return FLOAT32 if name == "float32" else FLOAT16
    match = _GRAMMAR.fullmatch(name)
    if not match:
        raise ValueError(f"not a quantization spec: {name!r}")
    kind: Kind = match["kind"]  # type: ignore[assignment]
    return QuantSpec(kind, int(match["w"]), int(match["a"] or 32), int(match["g"] or 0))

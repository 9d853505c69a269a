"""QuantSpec: what a program's numbers are, layer by layer where they differ, and its short names.

Grammar of a short name::

    spec   = whole | whole "{" part ("," part)* "}"
    whole  = float32 | float16 | w<bits>[a<bits>]-<kind>[-g<group>]
    part   = <pattern> "=" whole

    w8a8-static     int8 weights per channel, int8 activations with calibrated ranges
    w8a8-dynamic    int8 weights per channel, activations quantized at run time
    w8-weights      int8 weights per channel, float arithmetic
    w4-weights-g32  int4 weights in groups of 32, float arithmetic

    w8a8-static{classifier.1=float32,blocks.*.attn=w8-weights}    two parts that differ from the whole

A pattern is a module's path in the model, with shell wildcards (`*` also crosses dots); it names that module and all
that is in it. Where several match, the last wins, as in torchao's FqnToConfig.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal

Kind = Literal["float", "static", "dynamic", "weights"]
_GRAMMAR = re.compile(r"w(?P<w>\d+)(?:a(?P<a>\d+))?-(?P<kind>static|dynamic|weights)(?:-g(?P<g>\d+))?")
_PATTERN = re.compile(r"[^\s{},=]+")
_MIXED = re.compile(r"(?P<whole>[^{}]*)\{(?P<parts>[^{}]*)\}")


@dataclass(frozen=True)
class QuantSpec:
    """Bits of weights and activations, when activations are quantized, and the weight group size (0: per channel).

    `parts` are (pattern, spec) of the layers that differ from the whole.
    """

    kind: Kind = "float"
    weight_bits: int = 32
    activation_bits: int = 32
    group: int = 0
    parts: tuple[tuple[str, QuantSpec], ...] = ()

    def __post_init__(self) -> None:
        for pattern, spec in self.parts:
            if not _PATTERN.fullmatch(pattern):
                raise ValueError(f"not a module path: {pattern!r} (no spaces, commas, braces or equals signs)")
            if spec.parts:
                raise ValueError(f"the part {pattern!r} has parts of its own")

    def __str__(self) -> str:
        if self.parts:
            return f"{self.whole}{{{','.join(f'{pattern}={spec}' for pattern, spec in self.parts)}}}"
        if self.kind == "float":
            return f"float{self.weight_bits}"
        activation = f"a{self.activation_bits}" if self.activation_bits < 16 else ""
        group = f"-g{self.group}" if self.group else ""
        return f"w{self.weight_bits}{activation}-{self.kind}{group}"

    @property
    def whole(self) -> QuantSpec:
        """What all layers are that no part names."""
        return replace(self, parts=())

    @property
    def each(self) -> tuple[QuantSpec, ...]:
        """Every spec that occurs: the whole's first, then those of the parts."""
        return tuple(dict.fromkeys((self.whole, *(spec for _, spec in self.parts))))

    @property
    def scheme(self) -> str:
        """The whole's name without the group size: what `Target.schemes` lists."""
        return re.sub(r"-g\d+$", "", str(self.whole))

    @property
    def is_integer(self) -> bool:
        """Whether the runtime must compute some layers in integers (static and dynamic)."""
        return self.has("static", "dynamic")

    @property
    def is_float(self) -> bool:
        """Whether nothing in it is quantized."""
        return not self.has("static", "dynamic", "weights")

    def has(self, *kinds: Kind) -> bool:
        """Whether the whole or a part is of one of these kinds."""
        return any(spec.kind in kinds for spec in self.each)

    def at(self, path: str) -> QuantSpec:
        """What the layer at this module path is; an empty path is the model itself."""
        return next((spec for pattern, spec in reversed(self.parts) if _names(pattern, path)), self.whole)

    def unmatched(self, paths: Iterable[str]) -> list[str]:
        """The patterns of parts that name none of these modules."""
        known = set(paths)
        return [pattern for pattern, _ in self.parts if not any(_names(pattern, path) for path in known)]

    def then(self, own: QuantSpec) -> QuantSpec:
        """What a program of this spec is after a pass that turns what is float32 in it into `own`.

        ValueError when nothing is float32, or when `own` has a part that is not one of the float32 parts.
        """
        if self == FLOAT32:
            return own
        free = [pattern for pattern, spec in self.parts if spec == FLOAT32]
        if not free:
            raise ValueError(f"the program is {self} already, and nothing in it is float32")
        chosen = dict(own.parts)
        if strange := [pattern for pattern in chosen if pattern not in free]:
            raise ValueError(f"the part {strange[0]!r} is none of the program's float32 parts ({', '.join(free)})")
        return replace(
            self,
            parts=tuple((name, chosen.get(name, own.whole) if spec == FLOAT32 else spec) for name, spec in self.parts),
        )


def _names(pattern: str, path: str) -> bool:
    """Whether a pattern names the module at this path, or one around it."""
    steps = path.split(".")
    return any(fnmatchcase(".".join(steps[: count + 1]), pattern) for count in range(len(steps)))


FLOAT32 = QuantSpec()
FLOAT16 = QuantSpec("float", 16, 16)
W8A8_STATIC = QuantSpec("static", 8, 8)
W8A8_DYNAMIC = QuantSpec("dynamic", 8, 8)
W8_WEIGHTS = QuantSpec("weights", 8)


def parse(name: str) -> QuantSpec:
    """Read a short name; ValueError when it is not in the grammar."""
    if mixed := _MIXED.fullmatch(name):
        pairs = [part.rpartition("=") for part in mixed["parts"].split(",")]
        return replace(parse(mixed["whole"]), parts=tuple((pattern, parse(spec)) for pattern, _, spec in pairs))
    if name in ("float32", "float16"):
        return FLOAT32 if name == "float32" else FLOAT16
    match = _GRAMMAR.fullmatch(name)
    if not match:
        raise ValueError(f"not a quantization spec: {name!r}")
    kind: Kind = match["kind"]  # type: ignore[assignment]
    return QuantSpec(kind, int(match["w"]), int(match["a"] or 32), int(match["g"] or 0))

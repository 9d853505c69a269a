"""The option of every quantizing pass that some layers differ."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

from pydantic import Field, model_validator

from edgeship.toolchain.api import FLOAT32, Pass, QuantSpec, parse_spec


class Parts(Pass):
    """A pass that turns float32 layers into one kind of numbers, except where a part says otherwise."""

    parts: tuple[tuple[str, str], ...] = Field(
        (),
        description='layers that differ, each a module\'s path and a spec: [["classifier.1", "float32"], '
        '["blocks.*.attn", "float32"]]; wildcards match, a path names all that is in it, the last match wins',
    )

    def own(self) -> QuantSpec:
        """What this pass makes of a layer that no part names."""
        raise NotImplementedError

    def can_make(self, spec: QuantSpec) -> bool:
        """Whether a part may be this."""
        return spec in (FLOAT32, self.own())

    @model_validator(mode="after")
    def _parts_can_be_made(self) -> Self:
        for pattern, spec in self._mixed().parts:
            if not self.can_make(spec):
                raise ValueError(
                    f"parts: {pattern!r} cannot be {spec} here, only float32 or {self.own()}; leave it float32 and let "
                    "another pass follow, which takes what is float32"
                )
        return self

    def spec(self, before: QuantSpec) -> QuantSpec:
        """What the program is afterwards; ValueError unless it, or a part of it, is float32."""
        return before.then(self._mixed())

    def _mixed(self) -> QuantSpec:
        return replace(self.own(), parts=tuple((pattern, parse_spec(spec)) for pattern, spec in self.parts))

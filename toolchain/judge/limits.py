"""What an artifact must reach: the limits by kind of numbers, each measured; docs/verification.md says where."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from edgeship.toolchain.artifact import Artifact
from edgeship.toolchain.quant import QuantSpec


class Threshold(BaseModel):
    """Limits for one kind of numbers; docs/verification.md has the measurements behind each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    program_db: float = Field(description="least SQNR against the program the artifact was made from")
    float_db: float = Field(description="least SQNR against the float model: below it the result has collapsed")
    loss_db: float = Field(description="how much farther from the float model than its program an artifact may be")


THRESHOLDS: dict[str, Threshold] = {
    "float32": Threshold(program_db=60, float_db=60, loss_db=200),
    "float16": Threshold(program_db=60, float_db=40, loss_db=200),
    "static": Threshold(program_db=25, float_db=15, loss_db=2),
    "dynamic": Threshold(program_db=25, float_db=15, loss_db=2),
    "weights": Threshold(program_db=50, float_db=10, loss_db=2),
}
HALF_ARITHMETIC_DB = 40.0
"""Against the program for files that compute in half precision, whatever their spec says (Core ML's default)."""
ROUNDED_ACTIVATIONS_DB = 25.0
"""Against a program with float activations for files whose runtime rounds them (ONNX Runtime's MatMulNBits)."""
FLOAT_ARITHMETIC_DB = 50.0
"""A limit this high is asked only of files that compute in float32."""
WORST_SAMPLE_DB = 15.0
"""How far below the limit for all samples together a single one may lie."""
MAX_METRIC_DROP = 0.02
"""An artifact whose task metric lies this far below the float model's fails, whatever its SQNR; a recipe may say
another limit."""


def threshold(spec: QuantSpec, artifact: Artifact, own: dict[str, float]) -> Threshold:
    """The limits for a spec, the loosest of its parts; `own` (the recipe's) are those against the float model."""
    kinds = [THRESHOLDS[str(part) if part.kind == "float" else part.kind] for part in spec.each]
    limits = Threshold(**{name: min(getattr(kind, name) for kind in kinds) for name in Threshold.model_fields})
    if artifact.rounds_activations:
        limits = limits.model_copy(update={"program_db": min(limits.program_db, ROUNDED_ACTIVATIONS_DB)})
    if (artifact.dtypes or {}).get("float16"):
        half = {name: min(getattr(limits, name), HALF_ARITHMETIC_DB) for name in ("program_db", "float_db")}
        limits = limits.model_copy(update=half)
    for name in (str(spec.whole), str(spec)):
        if name in own:
            limits = limits.model_copy(update={"float_db": own[name]})
    return limits

"""What an artifact must reach: limits from its program's noise floor, and the fixed ones where that is not known."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from edgeship.toolchain.artifact import Artifact
from edgeship.toolchain.floor import Floor
from edgeship.toolchain.quant import QuantSpec


class Threshold(BaseModel):
    """The limits of one artifact; docs/verdicts.md says where they come from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    program_db: float = Field(description="least SQNR against the program the artifact was made from")
    float_db: float = Field(description="least SQNR against the float model: below it the result has collapsed")
    loss_db: float = Field(description="how much farther from the float model than its program an artifact may be")
    floor_db: float | None = Field(
        None,
        description="the program against itself with its roundings disturbed, worst output: `program_db` is from it; "
        "absent: `program_db` is fixed",
    )
    outputs: dict[str, float] = Field(
        default_factory=dict, description="least SQNR against the program by output, where each has a floor of its own"
    )


FIXED: dict[str, Threshold] = {
    "float32": Threshold(program_db=60, float_db=60, loss_db=200),
    "float16": Threshold(program_db=60, float_db=40, loss_db=200),
    "static": Threshold(program_db=25, float_db=15, loss_db=2),
    "dynamic": Threshold(program_db=25, float_db=15, loss_db=2),
    "weights": Threshold(program_db=50, float_db=10, loss_db=2),
}
"""Where the floor is not known, as of a file made elsewhere."""
MOST_DB = {"float32": 80.0, "float16": 60.0, "static": 60.0, "dynamic": 50.0, "weights": 60.0}
"""No floor asks for more: kernels approximate functions and choose scales in ways that noise does not stand for."""
MARGIN_DB = 3.0
"""How far below the floor an artifact may lie."""
DECISIVE_FLOOR_DB = 15.0
"""A program whose floor is lower answers by chance: agreement with it proves little, only the constants do."""
HALF_ARITHMETIC_DB = 40.0
"""Against the program for files that compute in half precision, whatever their spec says (Core ML's default)."""
ROUNDED_ACTIVATIONS_DB = 25.0
"""Against a program with float activations for files whose runtime rounds them (ONNX Runtime's MatMulNBits)."""
WORST_SAMPLE_DB = 15.0
"""How far below the fixed limit for all samples together a single one may lie."""
WORST_SAMPLE_MARGIN_DB = 6.0
"""The same below the floor's worst sample: of few samples the worst depends on chance."""
MAX_METRIC_DROP = 0.02
"""An artifact whose task metric lies this far below the float model's fails, whatever its SQNR; a recipe may say
another limit."""


def threshold(spec: QuantSpec, artifact: Artifact, own: dict[str, float], floor: Floor | None = None) -> Threshold:
    """The limits for an artifact of this spec, the loosest of its parts; `own` (the recipe's) are those against the
    float model."""
    kinds = _kinds(spec)
    limits = Threshold(
        program_db=min(FIXED[kind].program_db for kind in kinds),
        float_db=min(FIXED[kind].float_db for kind in kinds),
        loss_db=min(FIXED[kind].loss_db for kind in kinds),
    )
    if computes_in_half(artifact):
        half = {name: min(getattr(limits, name), HALF_ARITHMETIC_DB) for name in ("program_db", "float_db")}
        limits = limits.model_copy(update=half)
    if artifact.rounds_activations:
        limits = limits.model_copy(update={"program_db": min(limits.program_db, ROUNDED_ACTIVATIONS_DB)})
    elif floor is not None:
        limits = _measured(limits, floor, min(MOST_DB[kind] for kind in kinds))
        if spec.is_float:  # its program is the float model, but for the rounding of weights to half
            limits = limits.model_copy(update={"float_db": min(limits.float_db, limits.program_db)})
    for name in (str(spec.whole), str(spec)):
        if name in own:
            limits = limits.model_copy(update={"float_db": own[name]})
    return limits


def _measured(fixed: Threshold, floor: Floor, most_db: float) -> Threshold:
    outputs = {name: min(most_db, output.sqnr_db - MARGIN_DB) for name, output in floor.outputs.items()}
    return fixed.model_copy(
        update={
            "program_db": min(outputs.values()),
            "floor_db": floor.sqnr_db,
            "outputs": outputs,
            "loss_db": fixed.loss_db + floor.loss_db,
        }
    )


def is_exact(spec: QuantSpec, artifact: Artifact) -> bool:
    """Whether the file computes in float32, so that what differs by more than its rounding differs."""
    rounds = spec.is_integer or artifact.rounds_activations or computes_in_half(artifact)
    return not rounds


def computes_in_half(artifact: Artifact) -> bool:
    """Whether operators in the file compute in half precision."""
    return bool((artifact.dtypes or {}).get("float16"))


def _kinds(spec: QuantSpec) -> list[str]:
    return [str(part) if part.kind == "float" else part.kind for part in spec.each]

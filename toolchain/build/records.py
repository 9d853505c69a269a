"""What the store remembers of each kind of finished work besides its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from edgeship.toolchain.artifact import Contract
from edgeship.toolchain.build.store import Entry, Record
from edgeship.toolchain.floor import Floor
from edgeship.toolchain.model.cost import Cost
from edgeship.toolchain.plugin import Signature

SAMPLES = "samples.safetensors"


class DataRecord(Record):
    """A data set's selected samples."""

    kind: ClassVar[str] = "data"

    samples: int
    synthetic: bool
    classes: int | None = Field(None, description="different labels, where the labels are classes")
    contract: Contract = Field(default_factory=Contract, description="how the samples were made and their labels named")
    warnings: tuple[str, ...]


def samples_of(entry: Entry[DataRecord]) -> Path:
    """The file that holds a data set's selected samples."""
    return entry.folder / SAMPLES


class CheckRecord(Record):
    """What was found in calibration data."""

    kind: ClassVar[str] = "check"

    warnings: tuple[str, ...]


class ProgramRecord(Record):
    """A program: the float one, or one after a pass."""

    kind: ClassVar[str] = "program"

    signature: Signature
    spec: str = Field(description="what its numbers are, see edgeship.toolchain.quant")
    warnings: tuple[str, ...]
    seconds: float
    model: dict[str, Any] = Field(default_factory=dict, description="what the float program was made from")
    cost: Cost | None = Field(None, description="of the float program")


class FindingsRecord(Record):
    """What an analysis decided."""

    kind: ClassVar[str] = "findings"

    options: dict[str, Any]
    reasons: tuple[str, ...]


class OutputsRecord(Record):
    """A program's outputs on samples."""

    kind: ClassVar[str] = "outputs"

    rows: int
    resized: bool = Field(description="whether outputs at another size of the dynamic dimensions lie beside them")
    stream: bool = Field(description="whether the outputs of a stream lie beside them")


class FloorRecord(Record):
    """A program's noise floor, or why there is none."""

    kind: ClassVar[str] = "floor"

    floor: Floor | None = None
    problem: str = ""


class ArtifactRecord(Record):
    """A target's files."""

    kind: ClassVar[str] = "artifact"

    warnings: tuple[str, ...]
    seconds: float

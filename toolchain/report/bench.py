"""edgeship-bench/1: what `bench` measured as one JSON document; the raw samples are in the results it is made from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from edgeship.toolchain.measure.comparison import Comparison
from edgeship.toolchain.report.document import Measurement
from edgeship.toolchain.report.record import Record


class Benched(Record):
    """One file: its measurement, or why there is none."""

    file: str
    measurement: Measurement | None = None
    error: str | None = None


class Bench(Record):
    """Files measured beside each other, in the order they were named."""

    schema_: Literal["edgeship-bench/1"] = Field("edgeship-bench/1", alias="schema")
    quick: bool
    protocol: dict[str, Any]
    device: dict[str, Any] = Field(description="the device's facts")
    files: list[Benched] = Field(description="those that were named, then the baselines")
    comparisons: list[Comparison] = Field(default_factory=list, description="of each file with its baseline")

    def summary(self) -> str:
        """The document as JSON: figures, conditions and flags."""
        drawn = {"files": {"__all__": {"measurement": {"sample_ns", "file"}}}}
        return self.model_dump_json(by_alias=True, exclude_none=True, exclude=drawn, indent=1)


def short_names(files: Sequence[str]) -> list[str]:
    """Each path from its end on, as long as it must be to be told from the others."""
    parts = [Path(file).parts for file in files]
    names = []
    for index, own in enumerate(parts):
        others = [other for number, other in enumerate(parts) if number != index and other != own]
        length = next((n for n in range(1, len(own)) if all(other[-n:] != own[-n:] for other in others)), len(own))
        names.append(str(Path(*own[-length:])))
    return names

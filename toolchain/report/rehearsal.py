"""edgeship-rehearse/1: what `rehearse` found as one JSON document."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from edgeship.toolchain.measure.comparison import Comparison
from edgeship.toolchain.report.record import Record


class Rehearsed(Record):
    """One file under both versions: what it answers and how long it takes."""

    file: str
    outputs: Literal["identical", "alike", "different"] | None = Field(
        None, description="alike: within `limit_db`; absent: it was not executed under both"
    )
    sqnr_db: float | None = Field(
        None, description="of the other version's outputs against today's, the worst output; absent where identical"
    )
    limit_db: float | None = Field(
        None, description="below it they are different: the fixed limit of the file's numbers"
    )
    latency: Comparison | None = Field(None, description="the other version beside today's; absent where not measured")
    instructions: Comparison | None = Field(None, description="the same, counted on an emulated core")
    uncounted: str | None = Field(None, description="why it was not counted, where that was asked for")
    error: str | None = Field(None, description="why it does not run, and under which version")


class Rehearsal(Record):
    """Files of one runtime under the version that is installed and under another one."""

    schema_: Literal["edgeship-rehearse/1"] = Field("edgeship-rehearse/1", alias="schema")
    device: dict[str, Any] = Field(description="this host's facts")
    distribution: str
    installed: str
    other: str
    samples: int
    files: list[Rehearsed]

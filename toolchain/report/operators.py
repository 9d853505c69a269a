"""edgeship-operators/1: what `operators` found as one JSON document."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from edgeship.toolchain.report.record import Record


class TimedOperator(Record):
    """One operator of a file, as its runtime names it."""

    name: str
    kind: str
    module: str = Field("", description="of the model, where the file's origins are known")
    ns: int = Field(description="in one call of the file")
    share: float = Field(description="of all operators' time")


class Profiled(Record):
    """One file: its operators in the order of execution, or why they are not told."""

    file: str
    total_ns: int = 0
    operators: list[TimedOperator] = Field(default_factory=list)
    error: str | None = None


class Operators(Record):
    """Files profiled one after another, each in a launch of its own."""

    schema_: Literal["edgeship-operators/1"] = Field("edgeship-operators/1", alias="schema")
    device: dict[str, Any] = Field(description="the device's facts")
    threads: int
    calls: int = Field(description="each figure is the mean of so many, without interrupted ones")
    files: list[Profiled]

"""edgeship-soak/1: what `soak` found as one JSON document."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from edgeship.toolchain.report.record import Record


class Soaked(Record):
    """One file: its speed over time and its memory over loads, or why there is none."""

    file: str
    per_second: list[float] = Field(default_factory=list, description="calls per second of each window, in order")
    last_to_first: float | None = Field(None, description="the last window's speed ÷ the first one's")
    speed: Literal["steady", "throttles", "slower", "too short"] | None = Field(
        None, description="slower: on a machine that others use, which says nothing of heat"
    )
    degrees: list[tuple[float, float]] = Field(
        default_factory=list, description="seconds and °C of the hottest sensor, where there is one"
    )
    resident_bytes: list[int] = Field(default_factory=list, description="held after each round of load, call, unload")
    leak_bytes: float | None = Field(None, description="what a load leaves behind, once memory has settled; 0: nothing")
    error: str | None = None


class Soak(Record):
    """Files run one after another, each alone."""

    schema_: Literal["edgeship-soak/1"] = Field("edgeship-soak/1", alias="schema")
    device: dict[str, Any] = Field(description="the device's facts")
    seconds: float
    window_s: float
    rounds: int
    streams: int
    threads: int
    files: list[Soaked]

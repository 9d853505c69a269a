"""What an agent tells of one process launch."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from edgeship.toolchain.protocol.machine import (
    Bytes,
    Check,
    Count,
    DType,
    Energy,
    Environment,
    Memory,
    Ns,
    Operator,
    Part,
    Timestamp,
)


class OutputTensor(Part):
    """One captured output at `offset` of the job's capture file."""

    name: str
    dtype: DType
    shape: list[Count]
    offset: Bytes


class Clock(Part):
    source: str
    resolution: Ns


class Cold(Part):
    """Cold start in its parts; process_start is from exec to the agent's first line."""

    process_start: Ns | None = None
    runtime_init: Ns | None = None
    load: Ns | None = None
    prepare: Ns | None = None
    first_inference: Ns | None = None
    page_cache: Literal["dropped", "warm", "unknown"] | None = None
    compile_cache: Literal["absent", "present", "unknown"] | None = None


class RunError(Part):
    phase: Literal["deploy", "start", "load", "warmup", "measure", "collect"]
    message: str
    code: str | None = None


class Instructions(Part):
    """What an emulated CPU executed in one call of the file, by class; a class is part of the total, some of others."""

    total: Count
    memory: Count = Field(description="loads and stores")
    simd: Count = Field(description="vector and floating-point arithmetic")
    dot_product: Count = Field(description="sdot and udot: four products of 8-bit integers each, added up")
    multiply_add: Count = Field(description="fmla: floating-point multiply and add of whole vectors")


class Window(Part):
    """Calls that ended within a stretch of a sustained run, of all streams together."""

    t: Ns = Field(description="its begin, after the first call began")
    length: Ns
    completed: Count


TIMES = (
    *("cold", "warmup", "samples", "window", "completed", "windows"),
    *("memory", "resident", "env", "waited", "energy", "ops"),
)
"""What a launch on an emulated CPU cannot tell."""


class Run(Part):
    """One process launch: raw samples in order, unfiltered, in nanoseconds."""

    index: Count = 0
    arm: str | None = None
    order: int | None = None
    started_at: Timestamp | None = None
    clock: Clock | None = None
    cold: Cold | None = None
    warmup: list[Ns] | None = None
    warmup_stop: Literal["steady", "min", "max_time"] | None = None
    samples: list[Ns] | None = None
    iterations_per_sample: int | None = Field(
        None, ge=1, description="calls in each sample: divide by it for the time of one; absent: 1"
    )
    window: Ns | None = None
    completed: int | None = Field(None, description="calls finished in window (throughput mode)")
    windows: list[Window] | None = Field(None, description="of a sustained run, one after another")
    memory: Memory | None = None
    resident: list[Bytes] | None = Field(
        None, description="what the process held after each round of loading, one call and unloading (rounds mode)"
    )
    env: list[Environment] | None = None
    waited: Ns | None = Field(None, description="before this launch, until the machine was cool enough")
    energy: Energy | None = None
    check: Check | None = None
    ops: list[Operator] | None = None
    outputs: list[list[OutputTensor]] | None = Field(None, description="captured outputs, one list per case")
    instructions: list[Instructions] | None = Field(None, description="of each counted call, on an emulated CPU only")
    error: RunError | None = None

    @model_validator(mode="after")
    def _counts_or_times(self) -> Self:
        if self.instructions is not None and (told := [name for name in TIMES if getattr(self, name) is not None]):
            raise ValueError(f"a run with counted instructions has no {', '.join(told)}: an emulator's are no device's")
        return self

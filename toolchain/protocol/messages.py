"""Job and Result: the JSON spoken with every agent and app (bench-job/1, bench-result/1)."""

from __future__ import annotations

import datetime
import uuid
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from edgeship.toolchain.artifact import Placement
from edgeship.toolchain.protocol.machine import Bytes, Count, DeviceFacts, DType, Flag, Ns, Part, Timestamp
from edgeship.toolchain.protocol.run import Run

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Uuid = Annotated[str, Field(pattern="^[0-9a-f-]{36}$")]
Mode = Literal["verify", "latency", "throughput", "sustained", "cold", "memory", "rounds", "energy", "profile", "count"]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._+-]*$")]
"""A format's or a runtime's, as its target declares it: the protocol knows no list of them."""


Transport = Literal["local", "emulated", "adb", "devicectl", "xctest", "ssh", "cdp", "serial", "cloud"]
DEADLINE_NS = 600_000_000_000


class Stop(Part):
    """When to stop a phase; adaptive warm-up ends early once two moving averages agree (see docs/measuring.md)."""

    min_iters: Count = 0
    min_ns: Ns = 0
    max_ns: Ns = 0
    max_iters: int | None = None
    adaptive: bool = False


class TensorFile(Part):
    """One tensor's raw little-endian row-major bytes at `offset` of `path` (relative to the job's folder)."""

    name: str
    dtype: DType
    shape: list[Count]
    path: str
    offset: Bytes = 0


class JobArtifact(Part):
    """The file to execute; `path` is relative to the job's folder."""

    format: Name
    path: str
    sha256: Sha256
    name: str = ""
    size: Bytes = 0


class JobFile(Part):
    """A file (or a folder, for formats that are folders) that must lie at `path` when the job is executed.

    A folder's digest is taken over the sorted relative paths in it and their contents.
    """

    path: str
    sha256: Sha256
    size: Bytes


class JobRuntime(Part):
    """`options` belong to the runtime, e.g. {"graph_optimization": "all"}."""

    name: Name
    backend: str = "cpu"
    threads: int = Field(1, ge=1)
    options: dict[str, Any] = Field(default_factory=dict)


class Config(Part):
    """What to do with the artifact; copied into the result."""

    mode: Mode
    warmup: Stop = Field(default_factory=Stop)
    measure: Stop = Field(default_factory=Stop)
    processes: int = Field(1, ge=1)
    interval_ns: Ns | None = None
    batch: int = 1
    concurrency: int | None = None
    inputs: Literal["random", "zeros", "file"] = "file"
    seed: int | None = None
    timed_region: Literal["invoke", "invoke+io", "end_to_end"] = "invoke"
    memory_sampling_ns: Ns | None = None
    pin_cpus: list[Count] | None = Field(
        None, min_length=1, description="CPUs by number that the agent may use, from before it starts the runtime"
    )


class Job(Part):
    """One launch of an agent.

    mode verify runs each of `cases` once and writes all outputs, back to back, to `capture` (a file name in the
    job's folder); where `config.measure` has a max_ns, the cases after the first min_iters only until that is over.
    latency times repeated invocations over `cases` in turn; memory runs each case once and reads the counters. Tensors
    of a case are in the model's order and carry its names; `outputs` names the model's outputs in order: an agent finds
    tensors by these names where the file knows them, by position where it does not.
    `feedback` maps an output name to the input name that takes it at the next case (streaming state).
    """

    schema_: Literal["bench-job/1"] = Field("bench-job/1", alias="schema")
    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    id: Uuid = Field(default_factory=lambda: str(uuid.uuid4()))
    requires: list[str] = Field(
        default_factory=list, description="fields that may not be ignored: an agent refuses a job with one it lacks"
    )
    artifact: JobArtifact
    runtime: JobRuntime
    files: list[JobFile] = Field(
        default_factory=list, description="for whoever brings them to the device; agents need not look"
    )
    config: Config
    cases: list[list[TensorFile]] = Field(min_length=1)
    outputs: list[str] = Field(default_factory=list)
    capture: str | None = None
    feedback: dict[str, str] = Field(default_factory=dict)
    deadline_ns: Ns = DEADLINE_NS

    def save(self, path: Path) -> None:
        """Write the JSON an agent reads; the job's folder is the file's."""
        path.write_text(dump(self))


class TensorInfo(Part):
    """What an agent saw of an input or output."""

    name: str | None = None
    dtype: DType | Literal["string"]
    shape: list[Count]


class Agent(Part):
    kind: Literal["python", "cpp", "android", "ios", "browser", "mcu", "remote"]
    version: str
    build: Literal["release", "debug"] | None = None
    git_commit: str | None = None
    imports_torch: bool | None = Field(None, description="true where the runtime is torch: its memory is not lean")


class ResultRuntime(Part):
    name: Name
    version: str
    backend: str
    threads: int | None = None
    options: dict[str, Any] | None = None
    placement: Placement | None = None
    planned_bytes: Bytes | None = Field(None, description="memory the runtime planned ahead, where it tells")


class ResultArtifact(Part):
    format: Name
    sha256: Sha256
    size: Bytes
    name: str | None = None
    recipe: str | None = None
    inputs: list[TensorInfo] | None = None
    outputs: list[TensorInfo] | None = None


class Validity(Part):
    valid: bool
    flags: list[Flag] = Field(json_schema_extra={"uniqueItems": True})


class Result(Part):
    """What an agent answers; an absent key means unknown. Agents never compute statistics."""

    schema_: Literal["bench-result/1"] = Field("bench-result/1", alias="schema")
    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    id: Uuid = Field(default_factory=lambda: str(uuid.uuid4()))
    created_at: Timestamp = Field(default_factory=lambda: datetime.datetime.now(datetime.UTC).isoformat())
    labels: dict[str, str] | None = None
    agent: Agent
    transport: Transport | None = None
    device: DeviceFacts
    artifact: ResultArtifact
    runtime: ResultRuntime
    config: Config
    runs: list[Run] = Field(min_length=1)
    summary: dict[str, Any] | None = None
    validity: Validity | None = None

    @classmethod
    def load(cls, path: Path) -> Result:
        """Read what an agent wrote; pydantic.ValidationError when it is not a bench-result/1."""
        return cls.model_validate_json(path.read_bytes())


def dump(message: Job | Result) -> str:
    """JSON of a message, unknown keys absent."""
    return message.model_dump_json(by_alias=True, exclude_none=True, indent=1)

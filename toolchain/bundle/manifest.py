"""edgeship-bundle/1: what a bundle says of its files; apps/board reads it on a board, apps/android in an app."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from edgeship.toolchain.artifact import Contract, Provenance, Runtime, Tensor

SCHEMA: Literal["edgeship-bundle/1"] = "edgeship-bundle/1"


class Part(BaseModel):
    """Keys that are not known are errors here; readers elsewhere ignore them."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Stored(Part):
    """One of the bundle's files, as files/<sha256>."""

    sha256: str
    size_bytes: int


class NamedFile(Part):
    """A stored file under the name that it has where it is used; folders are parted by /."""

    path: str
    sha256: str


class Figures(Part):
    """What was measured, and how: figures of a run, never a promise for another device."""

    device: str = Field(description="the device's name in the recipe, and its model")
    runtime: str
    agent: str
    threads: int
    batch: int
    latency_ns: dict[str, float] = Field(description="p50, p90 and others")
    peak_rss_bytes: int | None = Field(None, description="above the agent's own baseline")
    flags: list[str] = Field(default_factory=list, description="what is doubtful about the figures")
    quick: bool = Field(description="measured briefly: compares within this run only")


class Shipped(Part):
    """One file of one runtime, and what it needs."""

    name: str
    variant: str
    format: str
    spec: str = Field(description="quantization: float32, w8a8-static, …")
    entry: str = Field(description="the path that the runtime is given, a folder for .mlpackage")
    files: list[NamedFile]
    runtime: Runtime = Field(description="its minimum version in numbers alone; of coreml and coreai the one of iOS")
    abis: list[str] = Field(description="of the devices it is meant for; empty: any that the runtime has")
    inputs: list[Tensor]
    outputs: list[Tensor]
    size_bytes: int
    min_sqnr_db: float = Field(description="least SQNR of a device's answers against the golden ones")
    metric: dict[str, float] = Field(
        default_factory=dict, description="the task metric by name, on the evaluation data"
    )
    figures: list[Figures]
    notes: list[str]
    provenance: Provenance | None


class GoldenTensor(Part):
    """Samples of one tensor, little-endian, in C order: the first dimension counts them, the others are one call's."""

    dtype: str
    shape: list[int]
    sha256: str


class Golden(Part):
    """Inputs and what must come out, for the health check on a device."""

    samples: int
    inputs: dict[str, GoldenTensor]
    outputs: dict[str, dict[str, GoldenTensor]] = Field(
        description="by artifact, then by output: what its file answered on the machine that made the bundle"
    )
    model: dict[str, GoldenTensor] = Field(description="what the float model answers, by output")
    labels: GoldenTensor | None = Field(None, description="the right answers, where the data has them")
    files: list[NamedFile]


class Manifest(Part):
    """What was signed."""

    schema_: Literal["edgeship-bundle/1"] = Field(SCHEMA, alias="schema")
    name: str
    version: int = Field(description="only goes up; a device refuses what is older than what it has")
    compatible: str = Field(description="the product that takes it; a device refuses another's")
    created_at: str
    expires_at: str = Field(description="a device refuses it from then on: nobody can hold back a newer one for ever")
    artifacts: list[Shipped]
    contract: Contract = Field(description="how inputs are made, and what outputs are called")
    golden: Golden
    licences: list[NamedFile]
    files: list[Stored] = Field(description="all of them, by digest")
    roots: list[NamedFile] = Field(description="the roots since the first, for devices that ship with an older one")
    edgeship: str = Field(description="version of what made it")

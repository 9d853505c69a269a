"""edgeship-report/1: what a run found, as one JSON document that CI scripts read and the reports are drawn from."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from edgeship.toolchain.judge.parity import Parity
from edgeship.toolchain.judge.verdict import MetricResult, Threshold

SLOWER_RATIO = 1.05
"""An artifact this much slower than its float twin is flagged (the default threshold for latency)."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class ArtifactFacts(_Record):
    """The file; `path` is relative to the run's folder."""

    path: str
    format: str
    size_bytes: int
    sha256: str
    runtime: str
    minimum_version: str
    dtypes: dict[str, int]
    weight_bytes: dict[str, int]
    nodes_delegated: int | None = None
    nodes_not_delegated: int | None = None
    not_delegated_ops: dict[str, int] | None = None
    reproducible: bool
    notes: list[str] = Field(default_factory=list)


class Measurement(_Record):
    """One artifact on one device under one configuration; `file` holds the raw samples."""

    device: str
    agent: str
    runtime: str
    threads: int
    batch: int
    latency_ns: dict[str, float] = Field(default_factory=dict)
    p50_interval_ns: tuple[float, float] | None = None
    launch_medians_ns: list[float] = Field(default_factory=list)
    sample_ns: list[float] = Field(default_factory=list, description="at most 400 calls, evenly picked, for drawing")
    cold_ns: dict[str, float] = Field(default_factory=dict)
    peak_rss_bytes: int | None = Field(None, description="above the agent's own baseline")
    planned_bytes: int | None = None
    launches: int = 0
    samples: int = 0
    flags: list[str] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list, description="Python fallback: the runtime was driven from Python")
    file: str = ""


class ReportLine(_Record):
    """One model × variant × target."""

    model: str
    variant: str
    passes: list[str]
    target: str
    spec: str
    status: Literal["ok", "failed", "unsupported"]
    verdict: Literal["pass", "fail", "not-executed"] | None = None
    executed_by: str | None = None
    stage: str | None = Field(None, description="where a failed line stopped")
    reason: str | None = None
    hint: str | None = None
    warnings: list[str] = Field(default_factory=list)
    flags: list[str] = Field(default_factory=list, description="slower-than-float, larger-than-float")
    artifact: ArtifactFacts | None = None
    parity: Parity | None = Field(None, description="against the program the artifact was made from")
    parity_float: Parity | None = Field(None, description="against the float model")
    threshold: Threshold | None = None
    metric: MetricResult | None = None
    size_ratio: float | None = Field(None, description="size ÷ the float twin's (same model and target)")
    latency_ratio: float | None = Field(None, description="p50 ÷ the float twin's, first configuration")
    measurements: list[Measurement] = Field(default_factory=list)
    not_measured: str | None = Field(None, description="why there is no measurement")


class Report(_Record):
    """A run."""

    schema_: Literal["edgeship-report/1"] = Field("edgeship-report/1", alias="schema")
    name: str
    created_at: str
    edgeship: str
    quick: bool
    models: list[str]
    variants: list[str]
    targets: list[str]
    host: dict[str, Any] = Field(description="device facts of this machine")
    libraries: dict[str, str]
    protocol: dict[str, Any]
    max_metric_drop: float = Field(0.02, description="the limit the task metric was judged by")
    warnings: list[str] = Field(default_factory=list)
    seconds: dict[str, float] = Field(default_factory=dict, description="wall time by phase")
    worker_peak_bytes: dict[str, int] = Field(default_factory=dict)
    lines: list[ReportLine]

    @property
    def counts(self) -> dict[str, int]:
        """Lines by what became of them: pass, fail, not-executed, failed, unsupported."""
        found: dict[str, int] = {}
        for line in self.lines:
            key = line.verdict or line.status
            found[key] = found.get(key, 0) + 1
        return found


def add_ratios(lines: list[ReportLine]) -> None:
    """Compare every line with its float twin and flag what is slower or larger."""
    twins = {(line.model, line.target): line for line in lines if not line.passes}
    for line in lines:
        twin = twins.get((line.model, line.target))
        if twin is None or twin is line or line.artifact is None or twin.artifact is None:
            continue
        line.size_ratio = line.artifact.size_bytes / twin.artifact.size_bytes
        if line.size_ratio > 1:
            line.flags.append("larger-than-float")
        ours = {(m.device, m.threads, m.batch): m.latency_ns.get("p50") for m in line.measurements}
        theirs = {(m.device, m.threads, m.batch): m.latency_ns.get("p50") for m in twin.measurements}
        ratios = [ours[key] / theirs[key] for key in ours if ours[key] and theirs.get(key)]  # type: ignore[operator]
        if ratios:
            line.latency_ratio = ratios[0]
            if ratios[0] > SLOWER_RATIO:
                line.flags.append("slower-than-float")

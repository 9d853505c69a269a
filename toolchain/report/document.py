"""edgeship-report/2: what a run found, as one JSON document that CI scripts read and the reports are drawn from."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from edgeship.toolchain.artifact import Artifact, Tensor
from edgeship.toolchain.judge.limits import Threshold
from edgeship.toolchain.judge.parity import Parity
from edgeship.toolchain.judge.task import MetricResult
from edgeship.toolchain.protocol.run import Instructions
from edgeship.toolchain.report.record import Record
from edgeship.toolchain.timing import Timing

SCHEMA = "edgeship-report/2"
VerdictName = Literal["pass", "fail", "unverifiable", "not-executed"]
BudgetVerdict = Literal["met", "exceeded", "inconclusive", "unknown"]
WORST_FIRST: tuple[VerdictName, ...] = ("fail", "unverifiable", "pass", "not-executed")
"""Of several devices' verdicts a line has the first of these: `not-executed` only if no device executed it."""


class Measurement(Record):
    """One artifact on one device under one configuration; `file` holds the raw samples."""

    agent: str
    runtime: str
    threads: int
    batch: int
    inputs: dict[str, list[int]] = Field(default_factory=dict, description="the shape of each input that was timed")
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
    notes: list[str] = Field(
        default_factory=list,
        description="how it was measured: 'Python fallback' (driven from Python), cores, temperatures",
    )
    file: str = Field("", description="relative to the run's folder")


class Execution(Record):
    """One line's artifact on one device: what it computed there and how long that took."""

    device: str
    verdict: VerdictName
    reasons: list[str] = Field(default_factory=list, description="why it failed, was not executed, says nothing")
    warnings: list[str] = Field(default_factory=list)
    executed_by: str | None = None
    parity: Parity | None = Field(None, description="against the program the artifact was made from")
    parity_float: Parity | None = Field(None, description="against the float model")
    spread: float | None = Field(None, description="how much the model's outputs vary over the inputs ÷ their size")
    threshold: Threshold | None = None
    metric: MetricResult | None = None
    measurements: list[Measurement] = Field(default_factory=list)
    instructions: Instructions | None = Field(None, description="of one call, on an emulated core")
    instructions_ratio: float | None = Field(None, description="total ÷ the float twin's on this core")
    not_measured: str | None = Field(None, description="why there is no measurement and no count")
    latency_ratio: float | None = Field(None, description="p50 ÷ the float twin's on this device, first configuration")
    slower_because: str | None = Field(None, description="of a file slower than its float twin: the operators to blame")
    flags: list[str] = Field(default_factory=list, description="slower-than-float")

    @property
    def timed(self) -> Measurement | None:
        """The first configuration that has a latency."""
        return next((m for m in self.measurements if "p50" in m.latency_ns), None)


class ReportLine(Record):
    """One model × variant × target."""

    model: str
    variant: str
    passes: list[str]
    target: str
    spec: str
    changes_model: bool = Field(
        False, description="pruned or trained: its SQNR to the float model has no limit, its task metric has"
    )
    status: Literal["ok", "failed", "unsupported"]
    stage: str | None = Field(None, description="where a failed line stopped")
    reason: str | None = Field(None, description="why there is no judged artifact")
    hint: str | None = None
    error_code: int | None = Field(
        None, description="exit code of what stopped it: 2 the recipe, its data or model; 4 something missing; 1 itself"
    )
    warnings: list[str] = Field(default_factory=list)
    verdict: VerdictName | None = Field(None, description="the worst of its executions")
    executions: list[Execution] = Field(default_factory=list, description="one for each device of the recipe")
    path: str | None = Field(None, description="the file, relative to the run's folder")
    artifact: Artifact | None = None
    size_ratio: float | None = Field(None, description="size ÷ the float twin's (same model and target)")
    flags: list[str] = Field(default_factory=list, description="larger-than-float")
    recommended: bool = Field(False, description="the file to ship of its model and target")
    compressed_bytes: int | None = Field(
        None, description="of a file to ship: its bytes deflated, as an app's store sends them at most"
    )
    dominated_by: str | None = Field(
        None, description="variant that is no larger, no slower and no less accurate, on the same model and target"
    )

    @property
    def name(self) -> str:
        """Its name for a person."""
        return f"{self.model} {self.variant} → {self.target}"

    @property
    def all_warnings(self) -> list[str]:
        """Its own and those of its executions, each once."""
        return list(dict.fromkeys((*self.warnings, *(text for e in self.executions for text in e.warnings))))

    @property
    def outcome(self) -> str:
        """The verdict, or for a line without one its status."""
        return self.verdict or self.status

    @property
    def bad(self) -> bool:
        """Whether it must not ship."""
        return self.status == "failed" or self.verdict == "fail"

    @property
    def first(self) -> Execution | None:
        """Its execution on the recipe's first device."""
        return self.executions[0] if self.executions else None

    @property
    def reasons(self) -> list[str]:
        """Why it failed or was not executed; with several devices each reason names its own."""
        several = len(self.executions) > 1
        told = [f"{e.device}: {reason}" if several else reason for e in self.executions for reason in e.reasons]
        return [*([self.reason] if self.reason else []), *told]


class Finding(Record):
    """One figure of a line beside the limit that a budget of the recipe sets."""

    line: str
    device: str | None = Field(None, description="where it was found; absent for what no device changes")
    figure: str = Field(description="the budget's key: size_bytes, latency_p50_ms …")
    at_least: bool = Field(False, description="whether the limit is the least, not the most")
    limit: float
    value: float | None = Field(None, description="absent: not known")
    interval: tuple[float, float] | None = Field(None, description="95%, where the figure has one")
    verdict: BudgetVerdict = Field(description="inconclusive: the interval of a latency holds the limit")


class DataFacts(Record):
    """Data that a model was calibrated or judged on."""

    source: str = Field(description="the data set's name in the recipe, and the function or file it reads")
    samples: int
    synthetic: bool = False
    classes: int | None = Field(None, description="different labels, where there are labels")


class ModelFacts(Record):
    """What a run knows of a model."""

    name: str
    inputs: list[Tensor] = Field(default_factory=list)
    outputs: list[Tensor] = Field(default_factory=list)
    parameters: int | None = None
    macs: int | None = Field(None, description="multiply-accumulates of one call with the example's sizes")
    data: dict[str, DataFacts] = Field(default_factory=dict, description="by need: calibration, evaluation, training")


class Report(Record):
    """A run."""

    schema_: Literal["edgeship-report/2"] = Field("edgeship-report/2", alias="schema")
    name: str
    folder: str | None = Field(
        None, description="the run directory, in what a command prints; absent in that folder's own report.json"
    )
    created_at: str
    edgeship: str
    quick: bool
    measured: bool = Field(True, description="whether latency and memory were asked for")
    models: list[ModelFacts]
    variants: list[str]
    targets: list[str]
    devices: dict[str, dict[str, Any]] = Field(description="each device's facts, in the recipe's order")
    counting: list[str] = Field(
        default_factory=list, description="those that are emulated cores: they count instructions and have no time"
    )
    not_reached: dict[str, str] = Field(default_factory=dict, description="devices that could not be opened, and why")
    host: dict[str, Any] = Field(description="facts of the machine that built")
    libraries: dict[str, str]
    protocol: dict[str, Any]
    max_metric_drop: float = Field(0.02, description="the limit the task metric was judged by")
    budgets: list[Finding] = Field(default_factory=list, description="every figure that a budget limits")
    warnings: list[str] = Field(default_factory=list)
    seconds: dict[str, float] = Field(default_factory=dict, description="wall time by phase")
    worker_peak_bytes: dict[str, int] = Field(
        default_factory=dict, description="the most memory each worker held, beside what they share"
    )
    timings: list[Timing] = Field(default_factory=list, description="each piece of work, in the order it was asked for")
    lines: list[ReportLine]

    @property
    def rows(self) -> list[tuple[ReportLine, Execution | None]]:
        """Every line with its executions on devices that have time; one that has none stands alone."""
        timing = {line.name: [e for e in line.executions if e.device not in self.counting] for line in self.lines}
        return [(line, e) for line in self.lines for e in timing[line.name] or (None,)]

    @property
    def counted(self) -> list[tuple[ReportLine, Execution]]:
        """Every line with its executions on emulated cores."""
        return [(line, e) for line in self.lines for e in line.executions if e.device in self.counting]

    @property
    def timing(self) -> list[str]:
        """The devices that have time, in the recipe's order."""
        return [name for name in self.devices if name not in self.counting]

    @property
    def counts(self) -> dict[str, int]:
        """Lines by what became of them: pass, fail, unverifiable, not-executed, failed, unsupported."""
        found: dict[str, int] = {}
        for line in self.lines:
            found[line.outcome] = found.get(line.outcome, 0) + 1
        return found

    @property
    def headline(self) -> tuple[Literal["good", "bad", "unproven"], str]:
        """What the run comes to, in one sentence: good only where every file that ran was proven right."""
        bad = sum(line.bad for line in self.lines)
        exceeded = sum(finding.verdict == "exceeded" for finding in self.budgets)
        unproven = sum(line.verdict == "unverifiable" for line in self.lines)
        if bad:
            return "bad", f"{bad} of {len(self.lines)} lines must not ship"
        if exceeded:
            return "bad", f"{exceeded} of {len(self.budgets)} budgets are exceeded"
        if not self.counts.get("pass"):
            return "unproven", "0 pass: no file here is proven to compute the same as the model"
        if unproven:
            return "unproven", f"{unproven} of {len(self.lines)} lines cannot be verified"
        return "good", "Every file that was made here computes the same as the model"

    @property
    def own_warnings(self) -> list[tuple[str, str]]:
        """(line, warning) for what is not among the report's warnings."""
        shared = {text for line in self.lines for text in line.all_warnings if self._says(line, text)}
        return [(line.name, text) for line in self.lines for text in line.all_warnings if text not in shared]

    def _says(self, line: ReportLine, text: str) -> bool:
        return f"{line.model}: {text}" in self.warnings or f"{line.model} {line.variant}: {text}" in self.warnings


def shared_warnings(lines: list[ReportLine]) -> list[str]:
    """What all lines of a model, or all lines of one of its variants, warn of, each said once with the name of both."""
    made = [line for line in lines if line.status == "ok"] or [line for line in lines if line.status == "failed"]
    found: dict[str, None] = {}
    for model in dict.fromkeys(line.model for line in made):
        ours = [line for line in made if line.model == model]
        common = _common(ours)
        found |= dict.fromkeys(f"{model}: {text}" for text in common)
        for variant in dict.fromkeys(line.variant for line in ours):
            texts = _common([line for line in ours if line.variant == variant])
            found |= dict.fromkeys(f"{model} {variant}: {text}" for text in texts if text not in common)
    return list(found)


def _common(lines: list[ReportLine]) -> list[str]:
    """What every one of these lines warns of, in the first one's order."""
    return [text for text in lines[0].all_warnings if all(text in line.all_warnings for line in lines)]


def worst(executions: list[Execution]) -> VerdictName | None:
    """A line's verdict out of those of its executions; None without any."""
    verdicts = {execution.verdict for execution in executions}
    return next((name for name in WORST_FIRST if name in verdicts), None)

"""The verdict on an artifact: executed by its runtime, compared with its program and the float model, looked into."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from edgeship.toolchain import stats
from edgeship.toolchain.artifact import Artifact
from edgeship.toolchain.devices.launch import launch
from edgeship.toolchain.errors import CrashError, DeviceError
from edgeship.toolchain.judge import parity
from edgeship.toolchain.judge.parity import Parity
from edgeship.toolchain.link import Link
from edgeship.toolchain.plugin import Metric
from edgeship.toolchain.protocol.jobs import Load
from edgeship.toolchain.protocol.messages import Config, Result
from edgeship.toolchain.quant import FLOAT16, FLOAT32, QuantSpec
from edgeship.toolchain.samples import Array, Samples

VERSION = 5
"""Bump when a check or a threshold changes: it enters the key of remembered verdicts."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Threshold(_Record):
    """Limits for one kind of numbers; docs/verification.md has the measurements behind each."""

    program_db: float = Field(description="least SQNR against the program the artifact was made from")
    float_db: float = Field(description="least SQNR against the float model: below it the result has collapsed")
    loss_db: float = Field(description="how much farther from the float model than its program an artifact may be")


THRESHOLDS: dict[str, Threshold] = {
    "float32": Threshold(program_db=60, float_db=60, loss_db=200),
    "float16": Threshold(program_db=60, float_db=40, loss_db=200),
    "static": Threshold(program_db=25, float_db=15, loss_db=2),
    "dynamic": Threshold(program_db=25, float_db=15, loss_db=2),
    "weights": Threshold(program_db=50, float_db=10, loss_db=2),
}
HALF_ARITHMETIC_DB = 40.0
"""Against the program for files that compute in half precision, whatever their spec says (Core ML's default)."""
ROUNDED_ACTIVATIONS_DB = 25.0
"""Against a program with float activations for files whose runtime rounds them (ONNX Runtime's MatMulNBits)."""
AFFORDABLE_S = 8.0
MORE_SAMPLES = 64
"""Where an interpreter does its few samples within AFFORDABLE_S, it gets this many: a metric of two says little."""
MAX_METRIC_DROP = 0.02
"""An artifact whose task metric lies this far below the float model's fails, whatever its SQNR; a recipe may say
another limit."""


class MetricResult(_Record):
    """The task metric through the artifact and of the float model, on the same samples."""

    name: str
    float_value: float = Field(alias="float")
    artifact: float
    interval: tuple[float, float] = Field(description="95% sampling interval of the artifact's value")
    samples: int


class Verdict(_Record):
    """What was found; `not-executed` is never a pass."""

    verdict: Literal["pass", "fail", "not-executed"]
    reasons: tuple[str, ...] = Field((), description="why it failed, or was not executed")
    warnings: tuple[str, ...] = ()
    executed_by: str = Field("", description="the runtime, its version and backend, as the agent told")
    against_program: Parity | None = None
    against_float: Parity | None = None
    program_against_float: Parity | None = None
    metric: MetricResult | None = None
    threshold: Threshold | None = None
    lasting: bool = Field(True, description="whether the file itself is the reason: a device's failure is tried again")


@dataclass(frozen=True)
class Case:
    """What an artifact is judged against. Arrays are [n, *shape] by output name."""

    spec: QuantSpec
    samples: Samples
    expected: dict[str, Array]
    """The program's outputs on the first samples."""
    reference: dict[str, Array]
    """The float model's outputs on all samples."""
    changes_model: bool = False
    """Pruned or trained on: it is meant to differ from the float model."""
    metric: Metric | None = None
    metric_name: str = ""
    min_sqnr_db: dict[str, float] = field(default_factory=dict)
    max_metric_drop: float = MAX_METRIC_DROP
    slow_samples: int = 2
    resized: tuple[Samples, dict[str, Array]] | None = None
    """One sample at another size of the dynamic dimensions, and the program's outputs for it."""
    stream: dict[str, Array] | None = None
    """The program's outputs on the first samples with its state fed back."""
    feedback: dict[str, str] = field(default_factory=dict)
    """Output name → input name of the state."""
    against_model_only: bool = False
    """A file made elsewhere: `expected` is the float model's own answer, so quantization is allowed its loss."""


def judge(artifact: Artifact, folder: Path, link: Link, case: Case) -> Verdict:
    """Execute an artifact over a link to a device and judge its outputs, its task metric and what is in the file."""
    if reason := link.can_execute(artifact, "verify"):
        return Verdict(verdict="not-executed", reasons=(reason,), lasting=False)
    count = len(case.samples) if case.metric else len(next(iter(case.expected.values())))
    first = min(count, case.slow_samples) if link.is_slow(artifact) else count
    try:
        started = time.monotonic()
        answers = _answers(artifact, folder, link, case, first)
        if first < count and time.monotonic() - started < AFFORDABLE_S:
            answers = _answers(artifact, folder, link, case, min(count, MORE_SAMPLES))
    except DeviceError as error:
        return Verdict(verdict="fail", reasons=(f"did not run: {error}",), lasting=False)
    if failure := answers.result.runs[0].error:
        unknown = failure.code == "UNKNOWN_OPERATOR"
        reason = f"{failure.phase}: {failure.message}"
        lasting = failure.phase not in ("deploy", "start")  # before the runtime saw the file
        return Verdict(verdict="not-executed" if unknown else "fail", reasons=(reason,), lasting=lasting)
    verdict = _judged(artifact, case, answers.result, answers.outputs)
    if verdict.threshold is None:
        return verdict
    extra, lasting = [*_resized_reasons(answers, case, verdict.threshold)], not answers.resized_crashed
    try:
        extra += _stream_reasons(artifact, folder, link, case, verdict.threshold)
    except DeviceError as error:
        extra.append(f"as a stream it did not run: {error}")
        lasting = False
    if extra:
        failed = {"verdict": "fail", "reasons": (*verdict.reasons, *extra), "lasting": lasting}
        verdict = verdict.model_copy(update=failed)
    return verdict


@dataclass(frozen=True)
class _Answers:
    """What an artifact answered: [n, *shape] by output name, and once more at another size of its dimensions."""

    result: Result
    outputs: dict[str, Array]
    resized: dict[str, Array] | None = None
    resized_problem: str = ""
    resized_crashed: bool = False
    """Whether the problem is the agent's end, not what the runtime said."""


def _answers(artifact: Artifact, folder: Path, link: Link, case: Case, count: int) -> _Answers:
    """Run the samples and, in the same launch, the one of another size; where that fails, the samples alone."""
    rows = _rows(case.samples, count)
    if case.resized is None or not _takes(artifact, case.resized[0]):
        result, answers = execute(artifact, folder, link, rows)
        return _Answers(result, _stacked(answers))
    try:
        result, answers = execute(artifact, folder, link, [*rows, *_rows(case.resized[0], 1)])
        problem = result.runs[0].error.message if result.runs[0].error else ""
        if not problem:
            return _Answers(result, _stacked(answers[:-1]), _stacked(answers[-1:]))
        crashed = False
    except CrashError as error:
        problem, crashed = str(error), True
    result, answers = execute(artifact, folder, link, rows)
    return _Answers(result, _stacked(answers), None, problem, crashed)


def _takes(artifact: Artifact, samples: Samples) -> bool:
    """Whether the file left open every size in which these samples differ from its own: some are made for one size."""
    shapes = {name: array.shape[1:] for name, array in samples.inputs.items()}
    return any(isinstance(size, str) for tensor in artifact.inputs for size in tensor.shape) and all(
        isinstance(size, str) or size == actual
        for tensor in artifact.inputs
        for size, actual in zip(tensor.shape, shapes[tensor.name], strict=True)
    )


def _resized_reasons(answers: _Answers, case: Case, limits: Threshold) -> list[str]:
    if answers.resized_problem:
        return [f"at another size of its dynamic dimensions it did not run: {answers.resized_problem}"]
    if answers.resized is None or case.resized is None:
        return []
    return _apart("at another size of its dynamic dimensions", case.resized[1], answers.resized, limits)


def _stream_reasons(artifact: Artifact, folder: Path, link: Link, case: Case, limits: Threshold) -> list[str]:
    """The first samples again, each taking the state that the one before it answered."""
    if case.stream is None:
        return []
    steps = len(next(iter(case.stream.values())))
    steps = min(steps, case.slow_samples) if link.is_slow(artifact) else steps
    result, answers = execute(artifact, folder, link, _rows(case.samples, steps), case.feedback)
    if failure := result.runs[0].error:
        return [f"as a stream it did not run: {failure.message}"]
    expected = {name: array[:steps] for name, array in case.stream.items()}
    return _apart("as a stream", expected, _stacked(answers), limits)


def _apart(what: str, expected: dict[str, Array], actual: dict[str, Array], limits: Threshold) -> list[str]:
    found = parity.compare(expected, actual)
    reasons = [f"{what}: {problem}" for problem in found.problems]
    if found.sqnr_db < limits.program_db:
        reasons.append(f"{what} its SQNR against its own program is {found.sqnr_db:.1f} dB")
    return reasons


def execute(
    artifact: Artifact,
    folder: Path,
    link: Link,
    rows: list[dict[str, Array]],
    feedback: dict[str, str] | None = None,
) -> tuple[Result, list[dict[str, Array]]]:
    """One launch: the outputs of every row by name; `feedback` feeds state back between rows.

    After a crash once more: it is the file's only when it comes again. DeviceError where it does.
    """
    load = Load(artifact, folder, rows, feedback or {})
    try:
        launched = launch(link, load, Config(mode="verify"))
    except CrashError:
        launched = launch(link, load, Config(mode="verify"))
    return launched.result, launched.outputs


def _rows(samples: Samples, count: int) -> list[dict[str, Array]]:
    return [{name: array[i] for name, array in samples.inputs.items()} for i in range(count)]


def _stacked(answers: list[dict[str, Array]]) -> dict[str, Array]:
    return {name: np.stack([row[name] for row in answers]) for name in answers[0]} if answers else {}


def _judged(artifact: Artifact, case: Case, result: Result, outputs: dict[str, Array]) -> Verdict:
    runtime = result.runtime
    executed_by = f"{runtime.name} {runtime.version} ({runtime.backend})"
    count = len(next(iter(outputs.values()))) if outputs else 0
    if count == 0:
        return Verdict(verdict="fail", reasons=("the agent captured no outputs",), executed_by=executed_by)
    rows = min(count, len(next(iter(case.expected.values()))))
    expected = {name: array[:rows] for name, array in case.expected.items()}
    reference = {name: array[:count] for name, array in case.reference.items()}
    near = {name: array[:rows] for name, array in reference.items()}
    first = {name: array[:rows] for name, array in outputs.items()}
    against_program = parity.compare(expected, first)
    against_float = parity.compare(reference, outputs)
    program = parity.compare(near, expected)
    limits = threshold(case.spec, artifact, case.min_sqnr_db)
    # only what was found on the same samples can be compared
    loss_db = program.sqnr_db - parity.compare(near, first).sqnr_db
    reasons = _parity_reasons(against_program, against_float, loss_db, limits, case)
    reasons += _content_reasons(artifact, case.spec)
    metric, metric_reason = _metric(case, outputs, reference, count)
    return Verdict(
        verdict="fail" if reasons or metric_reason else "pass",
        reasons=(*reasons, *metric_reason),
        warnings=(*_warnings(artifact, case), *_overflows(result)),
        executed_by=executed_by,
        against_program=against_program,
        against_float=against_float,
        program_against_float=program,
        metric=metric,
        threshold=limits,
    )


def threshold(spec: QuantSpec, artifact: Artifact, own: dict[str, float]) -> Threshold:
    """The limits for a spec, the loosest of its parts; `own` (the recipe's) are those against the float model."""
    kinds = [THRESHOLDS[str(part) if part.kind == "float" else part.kind] for part in spec.each]
    limits = Threshold(**{name: min(getattr(kind, name) for kind in kinds) for name in Threshold.model_fields})
    if artifact.rounds_activations:
        limits = limits.model_copy(update={"program_db": min(limits.program_db, ROUNDED_ACTIVATIONS_DB)})
    if artifact.dtypes.get("float16"):
        half = {name: min(getattr(limits, name), HALF_ARITHMETIC_DB) for name in ("program_db", "float_db")}
        limits = limits.model_copy(update=half)
    for name in (str(spec.whole), str(spec)):
        if name in own:
            limits = limits.model_copy(update={"float_db": own[name]})
    return limits


def _parity_reasons(
    against_program: Parity, against_float: Parity, loss_db: float, limits: Threshold, case: Case
) -> list[str]:
    reasons = [*against_program.problems]
    if case.against_model_only:
        pass
    elif against_program.sqnr_db < limits.program_db:
        reasons.append(
            f"SQNR against its own program is {against_program.sqnr_db:.1f} dB, less than {limits.program_db:g} dB "
            f"for {case.spec}"
        )
    elif against_program.worst_sample_sqnr_db < limits.program_db - 15:
        reasons.append(
            f"one sample lies at {against_program.worst_sample_sqnr_db:.1f} dB against its own program, all together "
            f"at {against_program.sqnr_db:.1f} dB"
        )
    if case.changes_model:
        return reasons
    reasons += [problem for problem in against_float.problems if problem not in reasons]
    if against_float.sqnr_db < limits.float_db:
        reasons.append(
            f"SQNR against the float model is {against_float.sqnr_db:.1f} dB, less than {limits.float_db:g} dB for "
            f"{case.spec}: the result has collapsed"
        )
    if not case.against_model_only and loss_db > limits.loss_db:
        reasons.append(
            f"it is {loss_db:.1f} dB farther from the float model than its program: the conversion lost more than "
            f"{limits.loss_db:g} dB"
        )
    return reasons


def _content_reasons(artifact: Artifact, spec: QuantSpec) -> list[str]:
    """What the file must hold: an int8 artifact that computes in float is a failure, and so is one without the float
    operators that its parts ask for."""
    integer = sum(count for dtype, count in artifact.dtypes.items() if dtype in ("int8", "uint8"))
    if spec.is_integer and not integer:
        return [f"asked for {spec}, but no operator in the file computes in int8 ({_counts(artifact.dtypes)})"]
    small = {"int8", "uint8", "int4", "uint4"} & set(artifact.weight_bytes)
    if spec.has("weights") and not small:
        return [f"asked for {spec}, but the file holds no integer weights ({_counts(artifact.weight_bytes)})"]
    if FLOAT16 in spec.each and not artifact.weight_bytes.get("float16"):
        return [f"asked for float16, but the file holds no half weights ({_counts(artifact.weight_bytes)})"]
    floats = {"float32", "float16"}  # Core ML computes the float32 of a program in float16
    if (
        spec.parts
        and FLOAT32 in spec.each
        and not (floats & set(artifact.dtypes) and floats & set(artifact.weight_bytes))
    ):
        found = f"operators {_counts(artifact.dtypes)}; weights {_counts(artifact.weight_bytes)}"
        return [f"asked for {spec}, but no operator in the file computes in float with weights of its own ({found})"]
    return []


def _warnings(artifact: Artifact, case: Case) -> tuple[str, ...]:
    found = []
    if case.samples.synthetic:
        found.append("judged on synthetic inputs: they say nothing about accuracy")
    if artifact.placement and artifact.placement.not_delegated > artifact.placement.delegated:
        found.append(
            f"{artifact.placement.not_delegated} of "
            f"{artifact.placement.not_delegated + artifact.placement.delegated} nodes run outside the delegate"
        )
    return tuple(found)


def _overflows(result: Result) -> tuple[str, ...]:
    """Operators that left the range of half precision, even where a later one hides it."""
    check = result.runs[0].check
    if check is None or not check.overflows:
        return ()
    return (f"finite numbers became infinite in half precision in {', '.join(check.overflows[:5])}",)


def _counts(table: dict[str, int]) -> str:
    return ", ".join(f"{key}: {value}" for key, value in sorted(table.items())) or "nothing known"


def _metric(
    case: Case, outputs: dict[str, Array], reference: dict[str, Array], count: int
) -> tuple[MetricResult | None, tuple[str, ...]]:
    if case.metric is None:
        return None, ()
    labels = None if case.samples.labels is None else case.samples.labels[:count]
    ours = np.asarray(case.metric.score(outputs, labels, reference), dtype=np.float64)
    theirs = np.asarray(case.metric.score(reference, labels, reference), dtype=np.float64)
    interval = stats.share_interval(ours)
    result = MetricResult(
        name=case.metric_name,
        float_value=float(theirs.mean()),
        artifact=float(ours.mean()),
        interval=interval,
        samples=len(ours),
    )
    drop = result.float_value - result.artifact
    # few samples: only a drop that sampling does not explain
    if drop > case.max_metric_drop and interval[1] < result.float_value:
        return result, (f"{case.metric_name} is {result.artifact:.4g}, the float model's {result.float_value:.4g}",)
    return result, ()

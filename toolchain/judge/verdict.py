"""The verdict on an artifact: executed by its runtime, compared with its program and the float model, looked into."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from edgeship.toolchain.artifact import Artifact
from edgeship.toolchain.errors import DeviceError
from edgeship.toolchain.judge import answers as asking
from edgeship.toolchain.judge import parity
from edgeship.toolchain.judge.agreement import (
    MODEL,
    PROGRAM,
    Agreement,
    Question,
    agreements,
    bad_samples,
    open_questions,
)
from edgeship.toolchain.judge.answers import Answers
from edgeship.toolchain.judge.case import Case
from edgeship.toolchain.judge.contents import content_reasons, content_warnings
from edgeship.toolchain.judge.limits import (
    DECISIVE_FLOOR_DB,
    Threshold,
    is_exact,
    threshold,
)
from edgeship.toolchain.judge.otherwise import own_program_otherwise, resized_reasons, stream_reasons
from edgeship.toolchain.judge.parity import Parity
from edgeship.toolchain.judge.task import MetricResult
from edgeship.toolchain.link import Link
from edgeship.toolchain.protocol.messages import Result
from edgeship.toolchain.quant import FLOAT32

VERSION = 7
"""Bump when a check or a threshold changes: it enters the key of remembered verdicts."""
NO_BACKEND = "NO_BACKEND"
"""Code of an error that says that the device lacks the backend asked for, or that it does not take the file."""
NOT_EXECUTED = ("UNKNOWN_OPERATOR", "UNSUPPORTED_JOB", NO_BACKEND)
"""Codes of errors that say that an agent lacks something, not that the file is wrong."""


class Verdict(BaseModel):
    """What was found; only `pass` is a pass. `unverifiable`: it ran, but the model's outputs prove nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict: Literal["pass", "fail", "unverifiable", "not-executed"]
    reasons: tuple[str, ...] = Field((), description="why it failed, was not executed, or cannot be verified")
    warnings: tuple[str, ...] = ()
    executed_by: str = Field("", description="the runtime, its version and backend, as the agent told")
    against_program: Parity | None = None
    against_float: Parity | None = None
    program_against_float: Parity | None = None
    spread: float | None = Field(
        None, description="how much the model's outputs vary over the inputs ÷ their size; the steadiest output's"
    )
    metric: MetricResult | None = None
    threshold: Threshold | None = None
    lasting: bool = Field(True, description="whether the file itself is the reason: a device's failure is tried again")


def judge(artifact: Artifact, folder: Path, link: Link, case: Case) -> Verdict:
    """Execute an artifact over a link to a device and judge its outputs, its task metric and what is in the file."""
    if reason := link.can_execute(artifact, "verify"):
        return Verdict(verdict="not-executed", reasons=(reason,), lasting=False)
    count = len(case.samples) if case.task else len(next(iter(case.expected.values())))
    resized = case.resized[0] if case.resized else None
    try:
        answers = asking.ask(artifact, folder, link, case.samples, count, case.slow_samples, resized)
    except DeviceError as error:
        return Verdict(verdict="fail", reasons=(f"did not run: {error}",), lasting=False)
    if failure := answers.result.runs[0].error:
        unknown = failure.code in NOT_EXECUTED
        reason = f"{failure.phase}: {failure.message}"
        # before the runtime saw the file, or for want of what would have executed it
        lasting = failure.phase not in ("deploy", "start") and failure.code != NO_BACKEND
        return Verdict(verdict="not-executed" if unknown else "fail", reasons=(reason,), lasting=lasting)
    verdict = judged(artifact, case, answers)
    if verdict.threshold is None:
        return verdict
    own = own_program_otherwise(artifact, case)
    extra, lasting = [*resized_reasons(answers, case, own)], not answers.resized_crashed
    try:
        extra += stream_reasons(artifact, folder, link, case, own)
    except DeviceError as error:
        extra.append(f"as a stream it did not run: {error}")
        lasting = False
    if not extra:
        return verdict
    known = verdict.reasons if verdict.verdict == "fail" else ()
    return verdict.model_copy(update={"verdict": "fail", "reasons": (*known, *extra), "lasting": lasting})


def judged(artifact: Artifact, case: Case, answers: Answers) -> Verdict:
    """The verdict on what an artifact answered to its samples."""
    runtime = answers.result.runtime
    executed_by = f"{runtime.name} {runtime.version} ({runtime.backend})"
    if answers.count == 0:
        return Verdict(verdict="fail", reasons=("the agent captured no outputs",), executed_by=executed_by)
    rows = min(answers.count, len(next(iter(case.expected.values()))))
    first = {name: array[:rows] for name, array in answers.outputs.items()}
    against_program = parity.compare(case.expected, first)
    against_float = parity.compare(case.reference, answers.outputs)
    program = parity.compare(case.reference, {name: array[:rows] for name, array in case.expected.items()})
    limits = threshold(case.spec, artifact, case.min_sqnr_db, case.floor)
    own = _own_program(artifact, case, limits)
    found = _agreements(against_program, against_float, own, limits, case)
    reasons = [*(against_program.problems or against_float.problems)]
    reasons += [one.reason for one in found if one.outcome == "differs"]
    if case.program != "unknown":
        reasons += bad_samples(against_program, found, own)
    if case.program == "the model":
        # only what was found on the same samples can be compared
        reasons += _loss_reasons(program, parity.compare(case.reference, first), found, limits)
    reasons += content_reasons(artifact, case.spec)
    metric = case.task.measure(answers.outputs, case.samples.labels, case.reference) if case.task else None
    if case.task and metric:
        reasons += case.task.reasons(metric)
    unproven, notes = open_questions(found)
    unproven = [f"{why}: untrained?" for why in unproven]
    if by_chance := _by_chance(limits):
        (unproven if artifact.constants is None else notes).append(by_chance)
    return Verdict(
        verdict="fail" if reasons else "unverifiable" if unproven else "pass",
        reasons=tuple(dict.fromkeys(reasons or unproven)),
        warnings=(*_warnings(artifact, case, answers.result), *notes),
        executed_by=executed_by,
        against_program=against_program,
        against_float=against_float,
        program_against_float=program,
        spread=_spread(against_float),
        metric=metric,
        threshold=limits,
    )


def _own_program(artifact: Artifact, case: Case, limits: Threshold) -> Question:
    floor = case.floor if limits.floor_db is not None else None
    exact = is_exact(case.spec, artifact)
    return Question(PROGRAM, limits.program_db, str(case.spec), exact, limits.outputs, floor)


def _agreements(program: Parity, model: Parity, own: Question, limits: Threshold, case: Case) -> list[Agreement]:
    """What is asked of every output: to agree with its own program, and with the model unless that was changed."""
    asked: list[tuple[Parity, Question]] = []
    if case.program != "unknown":
        asked.append((program, own))
    if case.program != "a changed model":
        asked.append((model, Question(MODEL, limits.float_db, own.spec, own.exact and case.spec == FLOAT32)))
    questions = [question for _, question in asked]
    return [one for found, question in asked for one in agreements(found, question, questions)]


def _by_chance(limits: Threshold) -> str:
    """What is said where agreement with the program proves little; nothing where it proves something."""
    if limits.floor_db is None or limits.floor_db >= DECISIVE_FLOOR_DB:
        return ""
    return (
        f"its own program answers {limits.floor_db:.1f} dB against itself when its roundings are disturbed by a "
        "hundredth of a step: agreement proves little here, only the file's constants decide"
    )


def _loss_reasons(program: Parity, artifact: Parity, found: list[Agreement], limits: Threshold) -> list[str]:
    """Both compared with the float model, in the outputs that prove something."""
    undecided = {one.output for one in found if one.outcome == "undecided"}
    best, ours = (
        min((output.sqnr_db for output in side.outputs if output.name not in undecided), default=0.0)
        for side in (program, artifact)
    )
    if best - ours <= limits.loss_db:
        return []
    return [
        f"it is {best - ours:.1f} dB farther from the float model than its program: the conversion lost more than "
        f"{limits.loss_db:.3g} dB"
    ]


def _spread(model: Parity) -> float | None:
    """How much the steadiest output varies over the inputs, relative to its size."""
    shares = [
        output.spread / output.magnitude if output.magnitude else 0.0
        for output in model.outputs
        if output.spread is not None
    ]
    return min(shares, default=None)


def _warnings(artifact: Artifact, case: Case, result: Result) -> list[str]:
    warnings = content_warnings(artifact)
    if case.samples.synthetic:
        warnings.append("judged on synthetic inputs: they say nothing about accuracy")
    if case.task:
        warnings += case.task.warnings(case.samples.labels, case.reference)
    check = result.runs[0].check
    if check is not None and check.overflows:  # even where a later operator hides it
        warnings.append(f"finite numbers became infinite in half precision in {', '.join(check.overflows[:5])}")
    return warnings

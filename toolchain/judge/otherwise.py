"""Does a file compute right on other inputs, too: at another size of its dimensions, and with its state fed back."""

from __future__ import annotations

from pathlib import Path

from edgeship.toolchain.artifact import Artifact
from edgeship.toolchain.judge import answers as asking
from edgeship.toolchain.judge import parity
from edgeship.toolchain.judge.agreement import PROGRAM, Question, agreements
from edgeship.toolchain.judge.answers import Answers
from edgeship.toolchain.judge.case import Case
from edgeship.toolchain.judge.limits import WORST_SAMPLE_MARGIN_DB, is_exact, threshold
from edgeship.toolchain.link import Link
from edgeship.toolchain.samples import Array


def own_program_otherwise(artifact: Artifact, case: Case) -> Question:
    """For other inputs than the floor was measured on: a single one, or state that goes round and gathers noise."""
    fixed_db = threshold(case.spec, artifact, {}).program_db
    floors = case.floor.outputs if case.floor else {}
    outputs = {name: min(fixed_db, one.worst_sample_db - WORST_SAMPLE_MARGIN_DB) for name, one in floors.items()}
    return Question(PROGRAM, fixed_db, str(case.spec), is_exact(case.spec, artifact), outputs)


def resized_reasons(answers: Answers, case: Case, own: Question) -> list[str]:
    if answers.resized_problem:
        return [f"at another size of its dynamic dimensions it did not run: {answers.resized_problem}"]
    if answers.resized is None or case.resized is None:
        return []
    return _apart("at another size of its dynamic dimensions", case.resized[1], answers.resized, own)


def stream_reasons(artifact: Artifact, folder: Path, link: Link, case: Case, own: Question) -> list[str]:
    """The first samples again, each taking the state that the one before it answered."""
    if case.stream is None:
        return []
    steps = len(next(iter(case.stream.expected.values())))
    steps = min(steps, case.slow_samples) if link.is_slow(artifact) else steps
    result, answers = asking.execute(artifact, folder, link, asking.rows(case.samples, steps), case.stream.feedback)
    if failure := result.runs[0].error:
        return [f"as a stream it did not run: {failure.message}"]
    return _apart("as a stream", case.stream.expected, asking.stacked(answers), own)


def _apart(what: str, expected: dict[str, Array], actual: dict[str, Array], own: Question) -> list[str]:
    found = parity.compare(expected, actual)
    judged = agreements(found, own)
    differing = (one.reason for one in judged if one.outcome == "differs")
    return [f"{what}: {reason}" for reason in (*found.problems, *differing)]

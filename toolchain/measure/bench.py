"""The measuring protocol over a device: launches interleaved over artifacts, cold, warm and memory apart."""

from __future__ import annotations

import contextlib
import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeship.toolchain import stats
from edgeship.toolchain.artifact import Artifact
from edgeship.toolchain.devices.launch import launch
from edgeship.toolchain.errors import DeviceError
from edgeship.toolchain.link import Link
from edgeship.toolchain.protocol.jobs import Load
from edgeship.toolchain.protocol.messages import DEADLINE_NS, Config, Mode, Result, Stop
from edgeship.toolchain.protocol.run import Run
from edgeship.toolchain.samples import Array, Samples

VERSION = 1
"""Bump when the protocol changes: it is one of the conditions of a stored measurement."""
CASES = 4
"""Different inputs that a timed launch cycles through."""


@dataclass(frozen=True)
class Protocol:
    """How long and how often; `quick` is short and labelled within-run only."""

    launches: int = 5
    seconds: float = 10.0
    warmup_seconds: float = 8.0
    min_iterations: int = 100
    quick: bool = False

    def config(self, mode: Mode, batch: int) -> Config:
        """The limits of one launch: docs/measuring.md's, or a tenth of them."""
        if mode == "memory":
            return Config(mode=mode, batch=batch)
        warmup_min = 0.05 if self.quick else 0.5
        warmup = Stop(
            min_iters=3 if self.quick else 10,
            min_ns=int(warmup_min * 1e9),
            max_ns=int(self.warmup_seconds * 1e9),
            adaptive=True,
        )
        longest = self.seconds * (1 if self.quick else 6)
        measure = Stop(
            min_iters=20 if self.quick else self.min_iterations,
            min_ns=int(self.seconds * 1e9),
            max_ns=int(longest * 1e9),
        )
        return Config(mode=mode, batch=batch, warmup=warmup, measure=measure, processes=self.launches)


QUICK = Protocol(launches=1, seconds=0.25, warmup_seconds=0.5, min_iterations=20, quick=True)


@dataclass(frozen=True)
class Subject:
    """One artifact to measure and inputs for it."""

    name: str
    artifact: Artifact
    folder: Path
    samples: Samples
    threads: int = 1
    batch: int = 1
    options: dict[str, Any] = field(default_factory=dict)
    """The runtime's, see apps/agents/python/agent.py."""
    link: Link | None = None
    """Where it is executed, if not where the others are."""

    @property
    def shapes(self) -> dict[str, list[int]]:
        """The shape of each input that is timed."""
        return {name: list(array.shape) for name, array in batched(self.samples, self.batch)[0].items()}


def measure(
    subjects: Sequence[Subject],
    link: Link,
    protocol: Protocol,
    on_launch: Callable[[str, int], None] = lambda name, launch: None,
    seed: int = 0,
) -> dict[str, Result | str]:
    """Measure all subjects beside each other: every round launches each once, the order reversed from round to round.

    Answers by subject name the result, or why there is none. One launch is one replicate (docs/measuring.md).
    """
    session = str(uuid.uuid4())
    answers: dict[str, Result | str] = {}
    ready = []
    for subject in subjects:
        if reason := (subject.link or link).can_execute(subject.artifact, "latency"):
            answers[subject.name] = reason
        else:
            ready.append(subject)
    order = 0
    for round_index, round_subjects in enumerate(rounds(ready, protocol.launches, seed)):
        for subject in round_subjects:
            if isinstance(answers.get(subject.name), str):
                continue  # it failed in an earlier round
            on_launch(subject.name, round_index)
            try:
                result = _launch(subject, subject.link or link, protocol, round_index == 0)
            except DeviceError as error:
                answers[subject.name] = str(error)
                continue
            for run in result.runs:
                run.index, run.order = round_index, order
            order += 1
            answers[subject.name] = _merged(answers.get(subject.name), result, session, subject.name)
    shared = link.is_shared()
    for answer in answers.values():
        if isinstance(answer, Result):
            answer.validity = stats.validity(answer, shared)
            answer.summary = stats.summarize(answer)
    return answers


def rounds(subjects: Sequence[Subject], count: int, seed: int) -> Iterator[list[Subject]]:
    """A B C, C B A, A B C … from a random start: slow drift hits every subject alike (ABBA)."""
    order = list(subjects)
    random.Random(seed).shuffle(order)
    for index in range(count):
        yield order if index % 2 == 0 else order[::-1]


def _launch(subject: Subject, link: Link, protocol: Protocol, with_memory: bool) -> Result:
    """One process launch with timing; in the first round one more, for peak memory, in a pass of its own."""
    timed = _execute(subject, link, protocol.config("latency", subject.batch))
    if with_memory and link.can_execute(subject.artifact, "memory") is None:
        with contextlib.suppress(DeviceError):
            memory = _execute(subject, link, protocol.config("memory", subject.batch))
            timed.runs[0].memory = memory.runs[0].memory
            if memory.runtime.planned_bytes is not None:
                timed.runtime.planned_bytes = memory.runtime.planned_bytes
    return timed


def _execute(subject: Subject, link: Link, config: Config) -> Result:
    rows = batched(subject.samples, subject.batch)
    load = Load(subject.artifact, subject.folder, rows, threads=subject.threads, options=subject.options)
    result = launch(link, load, config, capture=False).result
    failed = next((run.error for run in result.runs if run.error), None)
    if failed:
        raise DeviceError(f"{failed.phase}: {failed.message}")
    return result


def alone(subject: Subject, link: Link, config: Config, deadline_ns: int = DEADLINE_NS) -> Run:
    """One launch of a subject by itself, on its first inputs; DeviceError where the device cannot or the file fails."""
    if reason := link.can_execute(subject.artifact, config.mode):
        raise DeviceError(reason)
    rows = batched(subject.samples, subject.batch)[:1]
    load = Load(subject.artifact, subject.folder, rows, threads=subject.threads, options=subject.options)
    (run,) = launch(link, load, config, capture=False, deadline_ns=deadline_ns).result.runs
    if run.error:
        raise DeviceError(f"{run.error.phase}: {run.error.message}")
    return run


def batched(samples: Samples, batch: int) -> list[dict[str, Array]]:
    """A few inputs of `batch` samples each, joined along their first dimension."""
    cases = []
    for first in range(min(CASES, len(samples))):
        picks = [(first + step) % len(samples) for step in range(batch)]
        cases.append(samples.joined(picks))
    return cases


def _merged(before: Result | str | None, new: Result, session: str, name: str) -> Result:
    new.labels = {"session": session, "name": name}
    if not isinstance(before, Result):
        return new
    runs: list[Run] = [*before.runs, *new.runs]
    return before.model_copy(update={"runs": runs})

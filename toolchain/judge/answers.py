"""What an artifact answers on a device: its samples, another size of its dimensions, and a stream of its state."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeship.toolchain.artifact import Artifact
from edgeship.toolchain.devices.launch import launch
from edgeship.toolchain.errors import CrashError
from edgeship.toolchain.link import Link
from edgeship.toolchain.protocol.jobs import Load
from edgeship.toolchain.protocol.messages import Config, Result
from edgeship.toolchain.samples import Array, Samples

AFFORDABLE_S = 8.0
MORE_SAMPLES = 64
"""Where an interpreter does its few samples within AFFORDABLE_S, it gets this many: a metric of two says little."""


@dataclass(frozen=True)
class Answers:
    """Outputs are [n, *shape] by name; `resized` are those at another size of the dynamic dimensions."""

    result: Result
    outputs: dict[str, Array]
    resized: dict[str, Array] | None = None
    resized_problem: str = ""
    resized_crashed: bool = False
    """Whether the problem is the agent's end, not what the runtime said."""

    @property
    def count(self) -> int:
        """Number of samples that were answered."""
        return len(next(iter(self.outputs.values()))) if self.outputs else 0


def ask(
    artifact: Artifact, folder: Path, link: Link, samples: Samples, count: int, few: int, resized: Samples | None
) -> Answers:
    """The answers to the first `count` samples, on a slow device to the first `few`, or as many as it can afford."""
    first = min(count, few) if link.is_slow(artifact) else count
    started = time.monotonic()
    answers = _answers(artifact, folder, link, rows(samples, first), resized)
    if first < count and time.monotonic() - started < AFFORDABLE_S:
        answers = _answers(artifact, folder, link, rows(samples, min(count, MORE_SAMPLES)), resized)
    return answers


def _answers(
    artifact: Artifact, folder: Path, link: Link, inputs: list[dict[str, Array]], resized: Samples | None
) -> Answers:
    """Run the samples and, in the same launch, the one of another size; where that fails, the samples alone."""
    if resized is None or not _takes(artifact, resized):
        result, answers = execute(artifact, folder, link, inputs)
        return Answers(result, stacked(answers))
    try:
        result, answers = execute(artifact, folder, link, [*inputs, *rows(resized, 1)])
        problem = result.runs[0].error.message if result.runs[0].error else ""
        if not problem:
            return Answers(result, stacked(answers[:-1]), stacked(answers[-1:]))
        crashed = False
    except CrashError as error:
        problem, crashed = str(error), True
    result, answers = execute(artifact, folder, link, inputs)
    return Answers(result, stacked(answers), None, problem, crashed)


def _takes(artifact: Artifact, samples: Samples) -> bool:
    """Whether the file left open every size in which these samples differ from its own: some are made for one size."""
    shapes = {name: array.shape[1:] for name, array in samples.inputs.items()}
    return any(isinstance(size, str) for tensor in artifact.inputs for size in tensor.shape) and all(
        isinstance(size, str) or size == actual
        for tensor in artifact.inputs
        for size, actual in zip(tensor.shape, shapes[tensor.name], strict=True)
    )


def execute(
    artifact: Artifact,
    folder: Path,
    link: Link,
    inputs: list[dict[str, Array]],
    feedback: dict[str, str] | None = None,
) -> tuple[Result, list[dict[str, Array]]]:
    """One launch: the outputs of every row of inputs by name; `feedback` feeds state back between rows.

    After a crash once more: it is the file's only when it comes again. DeviceError where it does.
    """
    load = Load(artifact, folder, inputs, feedback or {})
    try:
        launched = launch(link, load, Config(mode="verify"))
    except CrashError:
        launched = launch(link, load, Config(mode="verify"))
    return launched.result, launched.outputs


def rows(samples: Samples, count: int) -> list[dict[str, Array]]:
    """The first samples, each as inputs by name."""
    return [{name: array[i] for name, array in samples.inputs.items()} for i in range(count)]


def stacked(answers: list[dict[str, Array]]) -> dict[str, Array]:
    """Outputs of single samples as [n, *shape] by name."""
    return {name: np.stack([row[name] for row in answers]) for name in answers[0]} if answers else {}

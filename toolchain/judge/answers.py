"""What an artifact answers on a device: its samples, another size of its dimensions, and a stream of its state."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeship.toolchain.artifact import Artifact
from edgeship.toolchain.devices.launch import launch
from edgeship.toolchain.errors import CrashError
from edgeship.toolchain.link import Link
from edgeship.toolchain.protocol.jobs import Load
from edgeship.toolchain.protocol.messages import Config, Result, Stop
from edgeship.toolchain.samples import Array, Samples
from edgeship.toolchain.timing import part

AFFORDABLE_S = 12.0
MORE_SAMPLES = 64
"""An interpreter goes on to this many samples until AFFORDABLE_S are over: a metric of two says little."""


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
    """The answers to the first `count` samples; on a slow device to `few` of them, and as many more as it can afford.

    They and the one of another size are run in the same launch; where that fails, the samples alone.
    """
    slow = link.is_slow(artifact)
    few = min(count, few) if slow else count
    inputs = rows(samples, min(count, max(few, MORE_SAMPLES)) if slow else count)
    if resized is None or not _takes(artifact, resized):
        result, answers = execute(artifact, folder, link, inputs, stop=_after(few, slow))
        return Answers(result, stacked(answers))
    try:
        mixed = [*inputs[:few], *rows(resized, 1), *inputs[few:]]
        result, answers = execute(artifact, folder, link, mixed, stop=_after(few + 1, slow))
        problem = result.runs[0].error.message if result.runs[0].error else ""
        if not problem:
            outputs = stacked([*answers[:few], *answers[few + 1 :]])
            return Answers(result, outputs, stacked(answers[few : few + 1]))
        crashed = False
    except CrashError as error:
        problem, crashed = str(error), True
    result, answers = execute(artifact, folder, link, inputs, stop=_after(few, slow))
    return Answers(result, stacked(answers), None, problem, crashed)


def _after(few: int, slow: bool) -> Stop:
    """When a slow device may leave the rest out; others never do."""
    return Stop(min_iters=few, max_ns=int(AFFORDABLE_S * 1e9)) if slow else Stop()


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
    stop: Stop | None = None,
) -> tuple[Result, list[dict[str, Array]]]:
    """One launch: the outputs of every row of inputs by name; `feedback` feeds state back between rows.

    `stop` says when rows may be left out.

    After a crash once more: it is the file's only when it comes again. DeviceError where it does.
    """
    load, config = Load(artifact, folder, inputs, feedback or {}), Config(mode="verify", measure=stop or Stop())
    with part("launch"):
        try:
            launched = launch(link, load, config)
        except CrashError:
            launched = launch(link, load, config)
    return launched.result, launched.outputs


def rows(samples: Samples, count: int) -> list[dict[str, Array]]:
    """The first samples, each as inputs by name."""
    return [{name: array[i] for name, array in samples.inputs.items()} for i in range(count)]


def stacked(answers: list[dict[str, Array]]) -> dict[str, Array]:
    """Outputs of single samples as [n, *shape] by name."""
    return {name: np.stack([row[name] for row in answers]) for name in answers[0]} if answers else {}

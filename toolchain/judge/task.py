"""The task metric through an artifact, beside the float model's on the same samples and beside guessing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from edgeship.toolchain import stats
from edgeship.toolchain.judge.limits import MAX_METRIC_DROP
from edgeship.toolchain.plugin import Metric
from edgeship.toolchain.samples import Array


class MetricResult(BaseModel):
    """The task metric through the artifact and of the float model, on the same samples."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    name: str
    float_value: float = Field(alias="float")
    artifact: float
    interval: tuple[float, float] = Field(description="95% sampling interval of the artifact's value")
    samples: int


@dataclass(frozen=True)
class Task:
    """What the model is for: its metric, and how far below the float model's an artifact's may lie."""

    metric: Metric
    name: str
    max_drop: float = MAX_METRIC_DROP

    def measure(self, outputs: dict[str, Array], labels: Array | None, reference: dict[str, Array]) -> MetricResult:
        """The metric over the samples that were run: the first of those that `labels` and `reference` are of."""
        count = len(next(iter(outputs.values())))
        given = None if labels is None else labels[:count]
        same = {name: array[:count] for name, array in reference.items()}
        ours = np.asarray(self.metric.score(outputs, given, same), dtype=np.float64)
        theirs = np.asarray(self.metric.score(same, given, same), dtype=np.float64)
        return MetricResult(
            name=self.name,
            float_value=float(theirs.mean()),
            artifact=float(ours.mean()),
            interval=stats.share_interval(ours),
            samples=len(ours),
        )

    def reasons(self, found: MetricResult) -> list[str]:
        """Why the artifact does its job too badly; of few samples only a drop that sampling does not explain."""
        if found.float_value - found.artifact <= self.max_drop or found.interval[1] >= found.float_value:
            return []
        return [f"{found.name} is {found.artifact:.4g}, the float model's {found.float_value:.4g}"]

    def warnings(self, labels: Array | None, reference: dict[str, Array]) -> list[str]:
        """Whether the float model itself, on all its samples, cannot be told from guessing."""
        chance = self.metric.chance(reference, labels)
        if chance is None:
            return []
        scores = np.asarray(self.metric.score(reference, labels, reference), dtype=np.float64)
        low, high = stats.share_interval(scores)
        if low > chance:
            return []
        return [
            f"the float model's {self.name} is {scores.mean():.2%} [{low:.2%}, {high:.2%}] on {len(scores)} samples, "
            f"guessing makes {chance:.2%}: are the labels right, and the trained weights loaded?"
        ]

"""The verdict on a built line: found by executing its artifact, or remembered from the same artifact and data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from edgeship.toolchain.build import code, keys
from edgeship.toolchain.build.lines import Built, Stopped
from edgeship.toolchain.build.store import Record, Store, key_of
from edgeship.toolchain.judge import verdict as verify
from edgeship.toolchain.judge.case import Case, Stream
from edgeship.toolchain.judge.task import Task
from edgeship.toolchain.judge.verdict import Verdict
from edgeship.toolchain.link import Link
from edgeship.toolchain.plugin import Device, Metric
from edgeship.toolchain.recipe.plan import Plan, Recipe, options_of
from edgeship.toolchain.samples import Array, load_samples


class VerdictRecord(Record):
    """A verdict that the file itself is the reason of."""

    kind: ClassVar[str] = "verdict"

    line: str
    verdict: Verdict


@dataclass(frozen=True)
class Judged:
    """A built line with the verdict of each device, by the device's name in the recipe."""

    built: Built
    verdicts: Mapping[str, Verdict]

    @property
    def plan(self) -> Plan:
        """What was asked for."""
        return self.built.plan


Line = Judged | Stopped
"""What becomes of a plan in the end."""


def judge(built: Built, recipe: Recipe, device: Device, link: Link, store: Store) -> Verdict:
    """Judge a line over the link to a device, or remember how the same artifact was judged on the same data before."""
    key = _key(built, recipe, device, link, store)
    if entry := store.get(key, VerdictRecord):
        return entry.record.verdict
    verdict = verify.judge(built.artifact, built.folder, link, case_of(built, recipe))
    if verdict.lasting and not store.read_only:
        store.once(key, VerdictRecord, lambda folder: VerdictRecord(line=built.plan.name, verdict=verdict))
    return verdict


def case_of(built: Built, recipe: Recipe) -> Case:
    """What a line is judged against."""
    evaluation = built.plan.model.data.get("evaluation")
    comparison = built.comparison
    return Case(
        spec=built.plan.spec,
        samples=load_samples(comparison.samples),
        expected=_outputs(comparison.expected),
        reference=_outputs(comparison.reference),
        program="a changed model" if built.plan.changes_model else "the model",
        task=Task(evaluation.metric, evaluation.metric_name, recipe.verify.max_metric_drop)
        if evaluation and evaluation.metric
        else None,
        resized=(load_samples(comparison.resized[0]), _outputs(comparison.resized[1])) if comparison.resized else None,
        stream=Stream(_outputs(comparison.stream), built.signature.state) if comparison.stream else None,
        floor=comparison.floor,
        min_sqnr_db=recipe.verify.min_sqnr_db,
        slow_samples=recipe.verify.slow_samples,
    )


def _key(built: Built, recipe: Recipe, device: Device, link: Link, store: Store) -> str:
    evaluation = built.plan.model.data.get("evaluation")
    return key_of(
        [
            "verdict",
            verify.VERSION,
            code.digest("edgeship.toolchain.judge.verdict"),
            built.artifact.model_dump(mode="json", exclude={"provenance", "details"}),
            built.comparison.digest,
            options_of(recipe.verify, recipe.base),
            _metric_key(evaluation.metric, recipe, store) if evaluation and evaluation.metric else None,
            keys.plugin_key(device, recipe.base),
            link.conditions(built.artifact),
            built.plan.changes_model,
        ]
    )


def _metric_key(metric: Metric, recipe: Recipe, store: Store) -> Any:
    files = [store.file_digest(file) for file in metric.files() if file.exists()]
    return [keys.plugin_key(metric, recipe.base), files]


def _outputs(path: Path) -> dict[str, Array]:
    return dict(load_samples(path).inputs)

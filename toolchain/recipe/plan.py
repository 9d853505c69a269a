"""What a recipe says, checked: models with their data, and one plan per model, variant and target."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from edgeship.toolchain.artifact import AudioInput, ImageInput
from edgeship.toolchain.errors import RecipeError
from edgeship.toolchain.model.source import ModelSource
from edgeship.toolchain.plugin import (
    Analysis,
    Dataset,
    Device,
    Metric,
    ModulePass,
    ModuleToProgramPass,
    Need,
    Pass,
    Target,
)
from edgeship.toolchain.quant import FLOAT32, QuantSpec
from edgeship.toolchain.recipe.budgets import Budget
from edgeship.toolchain.recipe.lock import Lock

DATA_KEYS: tuple[Need, ...] = ("calibration", "evaluation", "training")
CONTRACT = "contract"
Positive = Annotated[int, Field(ge=1)]
Threads = Annotated[int, Field(ge=1, le=1024)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Selection(_Table):
    """Which samples of a data set are used."""

    samples: int | None = Field(None, ge=1, description="how many samples; absent: all")
    select: Literal["first", "random", "stratified"] = Field("first", description="how they are chosen")
    seed: int = Field(0, description="of the random choice")


class VerifyOptions(_Table):
    """How artifacts are judged."""

    samples: int = Field(16, ge=2, description="inputs on which every output is compared with the program's")
    slow_samples: int = Field(
        2,
        ge=1,
        description="the same where the runtime here is an interpreter (Core AI); more, up to 64, in 12 seconds",
    )
    max_metric_drop: float = Field(0.02, ge=0, description="how far the task metric may lie below the float model's")
    min_sqnr_db: dict[str, float] = Field(
        default_factory=dict,
        description="own limits by spec, e.g. {'w8a8-static' = 20}; see docs/verdicts.md",
    )


class BenchOptions(_Table):
    """How artifacts are measured."""

    threads: tuple[Threads, ...] = Field((1,), min_length=1, description="thread counts to measure with")
    batch: tuple[Positive, ...] = Field(
        (1,), min_length=1, description="batch sizes; others than 1 need a dynamic batch"
    )
    launches: int = Field(5, ge=1, le=1000, description="process launches per artifact; one launch is one replicate")
    seconds: float = Field(10.0, gt=0, le=3600, allow_inf_nan=False, description="measuring time per launch")


class BuildOptions(_Table):
    """Limits of the workers that build."""

    timeout_s: float = Field(1800, gt=0, description="longest time one step of one line may take")
    memory_gb: float | None = Field(
        None, gt=0, description="memory the whole build may take; absent: what the machine (or container) can give"
    )
    workers: int | None = Field(None, ge=1, description="steps at once; absent: one per core")


class ContractOptions(_Table):
    """What an app does around the model, where the data does not say it already; see [codegen.md](codegen.md)."""

    pictures: dict[str, ImageInput] = Field(
        default_factory=dict, description="by input name, how a picture becomes it: the keys of a `preprocess` table"
    )
    sounds: dict[str, AudioInput] = Field(
        default_factory=dict,
        description="by input name, how sound becomes it: {frame = {sample_rate_hz = 16000, frame = 1024}}, and"
        " `scale`, `centre`, `level`",
    )
    labels: tuple[str, ...] = Field((), description="names of the classes, in the order of the output's values")
    logits: str | None = Field(None, description="the output with one value per class, before a softmax")
    probabilities: str | None = Field(
        None, description="instead: the output with one value per class, where the model ends in a softmax itself"
    )
    in_graph: bool = Field(
        False,
        description="whether the files do what is exact in a graph: they take pictures as bytes (height, width,"
        " channels), make the model's numbers of them, and answer the softmax of `logits`; metrics are given it, too",
    )

    @model_validator(mode="after")
    def _is_one_of_both(self) -> ContractOptions:
        if self.logits is not None and self.probabilities is not None:
            raise ValueError("logits and probabilities are two things: name the output once")
        return self


@dataclass(frozen=True)
class Data:
    """A declared data set: where it comes from, which samples of it, and (for evaluation) the task metric."""

    name: str
    dataset: Dataset
    selection: Selection
    metric: Metric | None = None
    metric_name: str = ""


@dataclass(frozen=True)
class Model:
    """One model of the recipe and what belongs to it: its data, and what an app does around it."""

    name: str
    source: ModelSource
    data: dict[Need, Data]
    contract: ContractOptions = field(default_factory=ContractOptions)


@dataclass(frozen=True)
class Step:
    """A pass by its name, with the spec of the program after it."""

    name: str
    plugin: Pass
    spec: QuantSpec
    decided_by: str = ""
    """The analysis whose decision in the lock gave some of its options."""


def spec_after(steps: tuple[Step, ...]) -> QuantSpec:
    """What the numbers of a program are after these passes."""
    return steps[-1].spec if steps else FLOAT32


@dataclass(frozen=True)
class Plan:
    """One straight line: one model × one variant × one target."""

    model: Model
    variant: str
    steps: tuple[Step, ...]
    target_name: str
    target: Target
    unsupported: str | None

    @property
    def spec(self) -> QuantSpec:
        """What the numbers of the program that reaches the target are."""
        return spec_after(self.steps)

    @property
    def name(self) -> str:
        """Unique in the recipe; never parsed for meaning."""
        return "-".join((self.model.name, self.variant, self.target_name))

    @property
    def changes_model(self) -> bool:
        """Whether the program is meant to differ from the float model (pruned, trained on)."""
        return any(isinstance(step.plugin, ModulePass | ModuleToProgramPass) for step in self.steps)


@dataclass(frozen=True)
class Recipe:
    """A checked recipe."""

    name: str
    base: Path
    models: tuple[Model, ...]
    plans: tuple[Plan, ...]
    devices: dict[str, Device]
    verify: VerifyOptions
    bench: BenchOptions
    build: BuildOptions
    text: str
    budgets: tuple[Budget, ...] = ()
    analyses: dict[str, Analysis] = field(default_factory=dict)
    lock: Lock | None = None
    """The decisions that its variants carry."""

    def only(self, targets: Sequence[str], variants: Sequence[str]) -> Recipe:
        """The lines of these targets and variants; none named: of all. RecipeError for a name it has not."""
        for what, chosen, known in (
            ("target", targets, [plan.target_name for plan in self.plans]),
            ("variant", variants, [plan.variant for plan in self.plans]),
        ):
            if unknown := [name for name in chosen if name not in known]:
                names = ", ".join(dict.fromkeys(known))
                raise RecipeError(f"the recipe has no {what} {', '.join(unknown)}", f"it has {names}")
        plans = tuple(
            plan
            for plan in self.plans
            if (not targets or plan.target_name in targets) and (not variants or plan.variant in variants)
        )
        return replace(self, plans=plans)


def options_of(plugin: BaseModel, base: Path) -> Any:
    """A plugin's or table's options as JSON without the machine's paths: what enters keys and provenance."""
    text = plugin.model_dump_json()
    return json.loads(text.replace(f"{base}/", "./").replace(str(base), "."))

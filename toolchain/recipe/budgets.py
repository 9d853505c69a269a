"""[[budgets]]: what the files of a recipe may cost at most, and how good they must be; checked when it is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from edgeship.toolchain.plugin import Device
from edgeship.toolchain.recipe.problems import Problems

EXACT = ("size_bytes", "metric_at_least", "metric_drop", "instructions", "planned_bytes")
"""Figures that are the same in every run, or follow from the data alone."""
TIMED = ("peak_rss_bytes", "cold_start_ms", "latency_p50_ms")
"""Figures of a launch: emulated cores have none of them."""
OF_FILE = ("size_bytes", "planned_bytes")
"""Figures that no device changes."""


class Budget(BaseModel):
    """Limits for the lines and devices that it names; what it does not name is all."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    SELECTORS: ClassVar[tuple[str, ...]] = ("model", "variant", "target", "device")

    model: str | None = Field(None, description="only this model's lines; absent: every model's")
    variant: str | None = Field(None, description="only this variant's")
    target: str | None = Field(None, description="only this target's")
    device: str | None = Field(None, description="only on this device; absent: on each that has the figure")
    size_bytes: int | None = Field(None, gt=0, description="of the file")
    metric_at_least: float | None = Field(None, description="the task metric's least value (accuracy 0.95)")
    metric_drop: float | None = Field(None, ge=0, description="the task metric, below the float model's at most")
    instructions: int | None = Field(None, gt=0, description="of one call, on emulated cores")
    planned_bytes: int | None = Field(None, gt=0, description="memory planned ahead (ExecuTorch)")
    peak_rss_bytes: int | None = Field(None, gt=0, description="peak memory above the agent's own")
    cold_start_ms: float | None = Field(None, gt=0, description="from the start of the process to the first answer")
    latency_p50_ms: float | None = Field(None, gt=0, description="median of warm calls, first configuration")

    @property
    def limits(self) -> dict[str, float]:
        """Figure → limit, those that are the same in every run first."""
        return {name: value for name in (*EXACT, *TIMED) if (value := getattr(self, name)) is not None}


def budgets_of(
    given: Any, names: Mapping[str, Iterable[str]], devices: Mapping[str, Device], has_metric: bool, problems: Problems
) -> tuple[Budget, ...]:
    """The recipe's budgets; `names` are the models, variants and targets that it has. Problems are recorded."""
    if not isinstance(given, list):
        problems.add("budgets", "must be a list of tables", '[[budgets]] with e.g. variant = "int8", size_bytes = 1')
        return ()
    made = []
    for index, table in enumerate(given):
        place = f"budgets[{index}]"
        budget = problems.build(Budget, place, table)
        if budget is not None:
            _check(budget, place, {**names, "device": devices}, devices, has_metric, problems)
            made.append(budget)
    return tuple(made)


def _check(
    budget: Budget,
    place: str,
    names: Mapping[str, Iterable[str]],
    devices: Mapping[str, Device],
    has_metric: bool,
    problems: Problems,
) -> None:
    if not budget.limits:
        problems.add(place, "limits nothing", f"give one of {', '.join((*EXACT, *TIMED))}")
    for what in Budget.SELECTORS:
        wanted, known = getattr(budget, what), list(names[what])
        if wanted is not None and wanted not in known:
            problems.add(f"{place}.{what}", f"there is no {what} {wanted!r}", f"one of {', '.join(known)}")
    chosen = [device for name, device in devices.items() if budget.device in (None, name)]
    for figure in budget.limits:
        if figure.startswith("metric") and not has_metric:
            problems.add(f"{place}.{figure}", "no model has a task metric", 'e.g. [evaluation] with metric = "top1"')
        if figure in TIMED and chosen and all(device.counts for device in chosen):
            problems.add(f"{place}.{figure}", "an emulated core has no time and no memory", "budget its instructions")
        if figure == "instructions" and chosen and not any(device.counts for device in chosen):
            example = "[devices.a53] with device = 'emulated', cpu = 'cortex-a53'"
            problems.add(f"{place}.{figure}", "only emulated cores count instructions", f"e.g. {example}")

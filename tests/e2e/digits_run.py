"""The demo's recipe, cut down, and what one run of it left."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from edgeship.toolchain.build.lines import Event
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.commands import run as runs
from edgeship.toolchain.recipe.plan import Recipe
from edgeship.toolchain.report.document import Execution, Report, ReportLine

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "examples" / "digits"


@dataclass(frozen=True)
class DigitsRun:
    """The run, its store and what was said while it ran."""

    recipe: Recipe
    outcome: runs.Outcome
    store: Store
    events: list[Event]

    @property
    def report(self) -> Report:
        return self.outcome.report

    def line(self, variant: str, target: str) -> ReportLine:
        return next(line for line in self.report.lines if (line.variant, line.target) == (variant, target))

    def execution(self, variant: str, target: str) -> Execution:
        [found] = self.line(variant, target).executions
        return found

    @property
    def path(self) -> Path:
        return self.outcome.folder.path

    def folder(self, variant: str, target: str) -> Path:
        return self.path / "artifacts" / f"digits-{variant}-{target}"


def digits_text(variants: tuple[str, ...], targets: tuple[str, ...]) -> str:
    """The demo's recipe with some of its variants and targets."""
    text = (DIGITS / "recipe.toml").read_text()
    text = re.sub(r"^\[targets\.(\w+)\]\n", lambda m: m[0] if m[1] in targets else "", text, flags=re.MULTILINE)
    keep = [
        line
        for line in text.splitlines()
        if not re.match(r"[\w-]+ = \[.*\]$", line) or line.split(" = ")[0] in variants
    ]
    kept = [
        line for line in text.splitlines() if line in keep or line.startswith(("inputs", "outputs", "dims", "labels"))
    ]
    return "\n".join(kept) + "\n"

"""`tune`: let a recipe's analyses decide, and write what they decided into the lock beside it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from edgeship.toolchain.build.builder import builder
from edgeship.toolchain.build.lines import Event
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.errors import RecipeError
from edgeship.toolchain.recipe import lock as locks
from edgeship.toolchain.recipe import preflight, read, text
from edgeship.toolchain.recipe.lock import Decision, Lock
from edgeship.toolchain.recipe.plan import Recipe


def tune(file: Path, on_event: Callable[[Event], None], store: Store | None = None) -> Lock:
    """Ask every analysis of a recipe and write the lock; builds read it from then on.

    An earlier lock takes no part and is replaced. RecipeError when the recipe has no analysis, or a decision does not
    fit its pass; nothing is written then.
    """
    content, base = text.read_text(file), file.resolve().parent
    recipe = read.parse(content, base, str(file), file.stem)
    if not recipe.analyses:
        raise RecipeError(f"{file}: has no analysis to decide anything", "add [analyses.weight-noise], variant = …")
    preflight.check(recipe)
    with tempfile.TemporaryDirectory(prefix="edgeship-tune-") as work:
        lock = _decided(recipe, Path(work) / "log.txt", on_event, store or Store())
    read.parse(content, base, str(file), file.stem, lock)
    partial = locks.file_of(file).with_suffix(".lock.partial")
    partial.write_text(lock.text)
    partial.replace(locks.file_of(file))
    return lock


def _decided(recipe: Recipe, log: Path, on_event: Callable[[Event], None], store: Store) -> Lock:
    decisions = {}
    with builder(recipe, store, log, on_event) as build:
        for name, analysis in recipe.analyses.items():
            model = next(model for model in recipe.models if analysis.model in (None, model.name))
            steps = next(plan.steps for plan in recipe.plans if plan.variant == analysis.variant)
            found = build.findings(analysis, model, steps[: analysis.step])
            if found.options:
                step = steps[analysis.step]
                place = locks.place_of(analysis.variant, analysis.step)
                decisions[place] = Decision(
                    analysis=name, pass_=step.name, options=found.options, reasons=found.reasons
                )
    return Lock(decisions=decisions)

"""`check --profile`: whether lines of a recipe, or a file, suit devices that are not at hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edgeship.toolchain import quant, registry
from edgeship.toolchain.advice import Advice, advise
from edgeship.toolchain.commands import inspect as foreign
from edgeship.toolchain.errors import RecipeError
from edgeship.toolchain.profile import profile_named
from edgeship.toolchain.quant import QuantSpec
from edgeship.toolchain.recipe.plan import Recipe
from edgeship.toolchain.runtime import RuntimeInfo

Fit = tuple[str, str, Advice]
"""The profile's name, the line's or file's, and what is said of both."""


def of_recipe(recipe: Recipe, names: Sequence[str]) -> list[Fit]:
    """Every line that can be made, for every profile; sizes are not known before files are built."""
    lines = []
    for plan in recipe.plans:
        runtime = type(plan.target).runtime
        if plan.unsupported is None and runtime is not None:
            lines.append((plan.name, runtime, plan.spec, None))
    return list(_advised(lines, names))


def of_file(file: Path, names: Sequence[str]) -> list[Fit]:
    """A file, for every profile. RecipeError for one whose runtime is not known here."""
    artifact = foreign.describe(file)
    runtime = registry.runtime_info(artifact.runtime.name)
    if runtime is None:
        raise RecipeError(f"{file}: its runtime {artifact.runtime.name} is not known", "see edgeship targets")
    size_bytes = artifact.size_bytes + sum((file.parent / name).stat().st_size for name in artifact.extra_files)
    return list(_advised([(file.name, runtime, quant.parse(artifact.spec), size_bytes)], names))


def as_json(fits: Sequence[Fit]) -> list[dict[str, Any]]:
    """One object for each."""
    return [
        {"profile": name, "line": line, "level": advice.level, "text": advice.text, "remedy": advice.remedy}
        for name, line, advice in fits
    ]


def _advised(lines: Sequence[tuple[str, RuntimeInfo, QuantSpec, int | None]], names: Sequence[str]) -> Iterator[Fit]:
    for name in names:
        profile = profile_named(name)
        for line, runtime, spec, size_bytes in lines:
            for advice in advise(profile, runtime, spec, size_bytes):
                yield name, line, advice

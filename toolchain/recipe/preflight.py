"""What can be known to fail before any work starts: files that are not there, packages that are not installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgeship.toolchain.build import keys
from edgeship.toolchain.errors import MissingError, RecipeError, install_command
from edgeship.toolchain.plugin import Dataset, Plugin
from edgeship.toolchain.recipe.plan import Recipe
from edgeship.toolchain.references import source_file


def check(recipe: Recipe) -> None:
    """RecipeError names every file that is missing, MissingError every package, with the install command."""
    if absent := [f"{place}: there is no {path}" for place, path in _files(recipe) if not path.exists()]:
        raise RecipeError("\n".join(["files are missing", *(f" - {text}" for text in absent)]), "check the paths")
    missing = {
        (package, type(plugin).extra)
        for plugin in _plugins(recipe)
        for package in type(plugin).packages
        if not keys.version_of(package)
    }
    if missing:
        extras = ",".join(sorted({extra for _, extra in missing if extra}))
        own = " ".join(sorted({package for package, extra in missing if not extra}))
        commands = [install_command(*want) for want in ((extras, ""), ("", own)) if any(want)]
        names = ", ".join(sorted({package for package, _ in missing}))
        raise MissingError(f"not installed: {names}", " and ".join(commands))


def _plugins(recipe: Recipe) -> Iterator[Plugin]:
    """Everything that takes part in a line that can be made."""
    for plan in recipe.plans:
        if not plan.unsupported:
            yield from (step.plugin for step in plan.steps)
            yield plan.target
    for model in recipe.models:
        for data in model.data.values():
            yield data.dataset
            if data.metric is not None:
                yield data.metric


def _files(recipe: Recipe) -> Iterator[tuple[str, Path]]:
    """The files and folders a recipe reads, each with its place in the recipe."""
    for model in recipe.models:
        source = model.source
        if source.factory and (file := source_file(source.factory, recipe.base)):
            yield f"{model.name}: factory", file
        for name, path in (("weights", source.weights), ("program", source.program)):
            if path is not None:
                yield f"{model.name}: {name}", recipe.base / path
        for need, data in model.data.items():
            yield from _files_of(need, data.dataset, recipe.base)
            if data.metric is not None:
                yield from _files_of(f"{need}.metric", data.metric, recipe.base)


def _files_of(place: str, plugin: Plugin, base: Path) -> Iterator[tuple[str, Path]]:
    for name in type(plugin).model_fields:
        value = getattr(plugin, name)
        if isinstance(value, Path) and isinstance(plugin, Dataset):
            yield f"{place}.{name}", base / value
        elif name == "function" and isinstance(value, str) and (file := source_file(value, base)):
            yield f"{place}.{name}", file

"""What can be known to fail before any work starts: files and functions that are not there, packages not installed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from edgeship.toolchain import outline
from edgeship.toolchain.errors import MissingError, RecipeError, install_command
from edgeship.toolchain.plugin import Plugin
from edgeship.toolchain.recipe.plan import Recipe
from edgeship.toolchain.registry import version_of


def check(recipe: Recipe) -> None:
    """RecipeError names every file and function that is missing, MissingError every package and how to install it."""
    made = [plan for plan in recipe.plans if not plan.unsupported]
    takes_part = {
        place: plugin
        for plan in made
        for place, plugin in (
            *((f"variants.{plan.variant}[{i}] ({step.name})", step.plugin) for i, step in enumerate(plan.steps)),
            (f"targets.{plan.target_name}", plan.target),
        )
    }
    _check(recipe, [*_data(recipe), *takes_part.items()])


def check_sources(recipe: Recipe) -> None:
    """The same for its models and data alone: all that takes part where no file is made."""
    _check(recipe, list(_data(recipe)))


def _check(recipe: Recipe, plugins: list[tuple[str, Plugin]]) -> None:
    wrong = [f"{place}: {why}" for place, path in _files(recipe, plugins) if (why := _why_not(path))]
    missing = []
    for place, reference, base in _references(recipe, plugins):
        error = outline.fault(reference, base)
        if isinstance(error, MissingError):
            missing.append(error)
        elif error is not None:
            wrong.append(f"{place}: {error}" + (f"\n   hint: {error.hint}" if error.hint else ""))
    if wrong:
        many = f"{len(wrong)} problems" if len(wrong) > 1 else "1 problem"
        raise RecipeError("\n".join([f"{recipe.name}: {many}", *(f" - {text}" for text in wrong)]))
    if missing:
        raise missing[0]
    _check_packages(plugin for _, plugin in plugins)


def _check_packages(plugins: Iterable[Plugin]) -> None:
    missing = {
        (package, type(plugin).extra)
        for plugin in plugins
        for package in type(plugin).packages
        if not version_of(package)
    }
    if missing:
        extras = ",".join(sorted({extra for _, extra in missing if extra}))
        own = " ".join(sorted({package for package, extra in missing if not extra}))
        commands = [install_command(*want) for want in ((extras, ""), ("", own)) if any(want)]
        names = ", ".join(sorted({package for package, _ in missing}))
        raise MissingError(f"not installed: {names}", " and ".join(commands))


def _why_not(path: Path) -> str:
    """Why a path cannot be read as a file or a folder, or ''; a pipe or a device would be waited for."""
    if not path.exists():
        return f"there is no {path}"
    return "" if path.is_file() or path.is_dir() else f"{path} is neither a file nor a folder"


def _data(recipe: Recipe) -> Iterator[tuple[str, Plugin]]:
    """Every data set and metric with its place in the recipe."""
    for model in recipe.models:
        for need, data in model.data.items():
            yield need, data.dataset
            if data.metric is not None:
                yield f"{need}.metric", data.metric


def _files(recipe: Recipe, plugins: list[tuple[str, Plugin]]) -> Iterator[tuple[str, Path]]:
    """The files and folders a recipe reads, each with its place in the recipe."""
    for model in recipe.models:
        for name, path in (("weights", model.source.weights), ("program", model.source.program)):
            if path is not None:
                yield f"{model.name}.{name}", recipe.base / path
    for place, plugin in plugins:
        for name in type(plugin).model_fields:
            value = getattr(plugin, name)
            paths = value if isinstance(value, tuple) else (value,)
            yield from ((f"{place}.{name}", recipe.base / path) for path in paths if isinstance(path, Path))


def _references(recipe: Recipe, plugins: list[tuple[str, Plugin]]) -> Iterator[tuple[str, str, Path]]:
    """The user's functions, each with its place in the recipe and the folder its path starts from."""
    for model in recipe.models:
        if model.source.factory is not None:
            yield f"{model.name}.factory", model.source.factory, recipe.base
    for place, plugin in plugins:
        yield from ((place, reference, Path()) for reference in plugin.references())

"""A recipe from the command line: what the arguments of `convert` mean, and the file that says the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgeship.toolchain.commands import pictures
from edgeship.toolchain.errors import RecipeError
from edgeship.toolchain.recipe import arguments, data_arguments, text, writer
from edgeship.toolchain.recipe.plan import Recipe
from edgeship.toolchain.recipe.read import from_tables


def recipe_of(
    given: arguments.ModelArguments,
    targets: Sequence[str],
    variants: Sequence[str],
    data: Mapping[str, str | None],
    preprocess: str | None,
    metric: str | None,
    name: str | None,
) -> tuple[Recipe, list[str]]:
    """The recipe that the arguments of `convert` mean, and notes on what was decided without being asked."""
    raw: dict[str, Any] = {
        "name": name or arguments.default_name(given),
        "model": arguments.model_table(given),
        **{need: data_arguments.data_table(place) for need, place in data.items() if place},
        "variants": arguments.variant_tables(variants),
        "targets": {target: {} for target in targets},
    }
    if metric:
        if "evaluation" not in raw:
            raise RecipeError("--metric needs data to judge on", "add --evaluation")
        raw["evaluation"]["metric"] = metric
    base = Path.cwd()
    notes = pictures.prepare(raw, preprocess, base)
    content = writer.text(writer.relative(raw, base, base), notes)
    return from_tables(raw, base, "command line", raw["name"], content), notes


def save_recipe(recipe: Recipe, path: Path) -> None:
    """Write a recipe of `recipe_of`, its paths as seen from the folder of `path`; an existing file is not replaced."""
    folder, base = path.resolve().parent, recipe.base
    content = recipe.text
    if folder != base:
        comments = [line.removeprefix("# ") for line in content.splitlines() if line.startswith("# ")]
        raw = text.absolute(text.tables(content, str(path)), base)
        content = writer.text(writer.relative(raw, folder, base), comments)
    try:
        with path.open("x") as file:
            file.write(content)
    except FileExistsError as error:
        raise RecipeError(f"{path} is there already", "name another file") from error

"""recipe.lock: options that an analysis decided, merged into the recipe before it is checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edgeship.toolchain.errors import RecipeError
from edgeship.toolchain.recipe.problems import Problems

AGAIN = "`edgeship tune` decides anew; deleting the lock builds what the recipe alone says"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Decision(_Record):
    """What one analysis decided for one pass."""

    analysis: str = Field(description="the table of [analyses] that decided")
    pass_: str = Field(alias="pass", description="the name of the pass it decided for")
    options: dict[str, Any]
    reasons: tuple[str, ...] = ()


class Lock(_Record):
    """The decisions by the place of their pass in the recipe: "variants.int8[0]"."""

    schema_: Literal["edgeship-lock/1"] = Field("edgeship-lock/1", alias="schema")
    decisions: dict[str, Decision] = Field(default_factory=dict)

    @property
    def text(self) -> str:
        """As it is written beside the recipe."""
        return self.model_dump_json(by_alias=True, indent=1) + "\n"


def place_of(variant: str, step: int) -> str:
    """Where a pass stands in a recipe."""
    return f"variants.{variant}[{step}]"


def file_of(recipe: Path) -> Path:
    """Where the lock of a recipe file lies."""
    return recipe.with_suffix(".lock")


def read(recipe: Path) -> Lock | None:
    """The lock beside a recipe file, or None; RecipeError when it cannot be read."""
    file = file_of(recipe)
    if not file.is_file():
        return None
    try:
        return Lock.model_validate(json.loads(file.read_text()))
    except (OSError, ValueError, RecursionError) as error:
        what = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise RecipeError(f"{file}: is not an edgeship-lock/1 ({what})", AGAIN) from error


def merged(variants: Any, lock: Lock | None, problems: Problems) -> Any:
    """The recipe's [variants] with what the lock decides; a decision that no longer fits is a problem."""
    if lock is None or not isinstance(variants, dict):
        return variants
    taken = {name: list(passes) if isinstance(passes, list) else passes for name, passes in variants.items()}
    places = {
        place_of(name, index): (passes, index)
        for name, passes in taken.items()
        if isinstance(passes, list)
        for index in range(len(passes))
    }
    for place, decision in lock.decisions.items():
        if place not in places:
            problems.add(place, "the lock decides about it, and the recipe has no such pass", AGAIN)
            continue
        passes, index = places[place]
        table = dict(passes[index]) if isinstance(passes[index], dict) else {"pass": passes[index]}
        if table.get("pass") != decision.pass_:
            problems.add(place, f"the lock decides for {decision.pass_}, the recipe has {table.get('pass')}", AGAIN)
        elif both := sorted(set(table) & set(decision.options)):
            text = f"{', '.join(both)}: set in the recipe and decided in the lock"
            problems.add(place, text, "leave one of the two out")
        else:
            passes[index] = {**table, **decision.options}
    return taken

"""How pictures named on the command line become the model's input: as said, or as the model says; never guessed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeship.toolchain.commands import model_facts
from edgeship.toolchain.errors import RecipeError
from edgeship.toolchain.recipe import data_arguments

IMAGENET = "mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]"


def prepare(raw: dict[str, Any], said: str | None, base: Path) -> list[str]:
    """Give the data tables of `raw` their preprocessing in place; answers notes that say which was taken.

    `said` is --preprocess. Without it the model is made and asked; RecipeError where it says nothing.
    """
    pictures = [
        raw[need] for need in ("calibration", "evaluation") if need in raw and data_arguments.holds_pictures(raw[need])
    ]
    if not pictures:
        if said is not None:
            raise RecipeError("--preprocess is for pictures, and no data holds any", "leave it out")
        return []
    shape = raw["model"]["inputs"][0]["shape"]
    if said is not None:
        given = data_arguments.preprocess_value(said)
        options, note = (given, "") if isinstance(given, str) else _sized(given, shape)
        notes = [note] if note else []
    else:
        options, notes = _of_the_model(raw["model"], shape, base, pictures[0]["path"])
    for table in pictures:
        table["preprocess"] = options
    return notes


def _sized(given: dict[str, Any], shape: list[int | str]) -> tuple[dict[str, Any], str]:
    """Options with the size of the model's input where none is given, and a note that says so."""
    from pydantic import ValidationError

    from edgeship.calibration.own_preprocess import fitted
    from edgeship.calibration.preprocess import Preprocess

    try:
        Preprocess.model_validate(given)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in error.errors())
        raise RecipeError(f"--preprocess: {wrong}", f"it takes {', '.join(Preprocess.model_fields)}") from error

    own_size = given.get("resize") is not None or given.get("crop") is not None
    options = fitted(given, shape) if not own_size else given
    return (
        options,
        "" if options == given else f"preprocess: to the input's shape: {data_arguments.options_text(options)}",
    )


def _of_the_model(
    model: dict[str, Any], shape: list[int | str], base: Path, folder: str
) -> tuple[dict[str, Any], list[str]]:
    from edgeship.calibration.own_preprocess import fitted

    facts = model_facts.ask({key: item for key, item in model.items() if key not in ("inputs", "dims")}, base)
    if facts.preprocess is None:
        raise RecipeError(
            f"{folder} holds pictures, and neither the command line nor the model says how they become its input",
            f"add --preprocess '{IMAGENET}' (ImageNet's), 'mean=0, std=1' (values 0 to 1), or what it was "
            "trained with; the size follows from the input's shape",
        )
    options = fitted(facts.preprocess, shape)
    return options, [f"preprocess: {facts.origin}: {data_arguments.options_text(options)}; --preprocess says otherwise"]

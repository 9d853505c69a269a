"""Arguments of the command line as the tables of a recipe, for `convert`, `verify`, `bench` and `init`."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeship.toolchain import outline, registry
from edgeship.toolchain.errors import RecipeError
from edgeship.toolchain.plugin import Device
from edgeship.toolchain.recipe.plan import BenchOptions
from edgeship.toolchain.recipe.problems import Problems
from edgeship.toolchain.recipe.tables import plugin_of
from edgeship.toolchain.references import source_file

# a pass list by its short name, for `convert --variant int8`
SHORT_VARIANTS: dict[str, list[str]] = {
    "float": [],
    "fp16": ["cast-fp16"],
    "int8": ["quantize-static"],
    "int8-dynamic": ["quantize-dynamic"],
    "int8-weights": ["quantize-weights"],
}
PROGRAM_SUFFIXES = (".pt2", ".pt", ".ts", ".pth", ".jit")
LARGEST_SIZE = 2**31 - 1
MOST_VALUES = 2**28  # of one input: a gigabyte of float32
SIZE = re.compile(r"[0-9]{1,30}")
RANGE = re.compile(r"([0-9]{1,18})-([0-9]{1,18})\]")
DIM = re.compile(r"([A-Za-z_][A-Za-z0-9_.]*)\[([0-9]{1,30})-([0-9]{1,30})\]")


@dataclass(frozen=True)
class ModelArguments:
    """A model as the command line names it."""

    model: str
    inputs: Sequence[str] = ()
    arguments: Sequence[str] = ()
    weights: Path | None = None


def input_tables(inputs: Sequence[str]) -> tuple[list[dict[str, Any]], dict[str, list[int]]]:
    """`NAME:1x3x224x224[:dtype]` as entries of model.inputs, and model.dims from sizes like `batch[1-8]`.

    A dtype may have the values that are valid: `ids:1x128:int64[0-30521]`.
    """
    tables: list[dict[str, Any]] = []
    dims: dict[str, list[int]] = {}
    for text in inputs:
        name, _, rest = text.partition(":")
        shape, _, dtype = rest.partition(":")
        if not name or not rest:
            raise RecipeError(f"--input {text!r}: not NAME:SHAPE[:DTYPE]", "e.g. --input image:1x3x224x224")
        sizes: list[int | str] = []
        for size in _split(shape):
            if SIZE.fullmatch(size):
                sizes.append(_size(size, text))
            elif found := DIM.fullmatch(size):
                sizes.append(found[1])
                dims[found[1]] = [_size(found[2], text), _size(found[3], text)]
            else:
                raise RecipeError(
                    f"--input {text!r}: size {size!r} is neither a number nor a bounded name",
                    f"e.g. --input '{name}:batch[1-8]x3x224x224'",
                )
        if math.prod(size if isinstance(size, int) else dims[size][0] for size in sizes) > MOST_VALUES:
            raise RecipeError(f"--input {text!r}: more than {MOST_VALUES} values", "name the shape of one call")
        dtype, bracket, bounds = dtype.partition("[")
        tables.append({"name": name, "shape": sizes, "dtype": dtype or "float32"})
        if bracket:
            tables[-1] |= _range(bounds, text)
    return tables, dims


def _range(bounds: str, argument: str) -> dict[str, int]:
    """`0-30521]` as the smallest and largest valid value."""
    found = RANGE.fullmatch(bounds)
    if found is None:
        raise RecipeError(f"--input {argument!r}: [{bounds} is no range", "e.g. --input 'ids:1x128:int64[0-30521]'")
    return {"low": int(found[1]), "high": int(found[2])}


def _split(shape: str) -> list[str]:
    """`batch[1-8]x3` at the x between sizes: a name may hold an x of its own."""
    return re.split(r"(?:(?<=[0-9\]])|(?<=^))x", shape) if shape else []


def _size(text: str, argument: str) -> int:
    if (size := int(text)) > LARGEST_SIZE:
        raise RecipeError(f"--input {argument!r}: a size of {text} is too large", f"sizes go to {LARGEST_SIZE}")
    return size


def model_table(given: ModelArguments) -> dict[str, Any]:
    """[model] from a factory reference (`package.module:function`, `./file.py:function`) or a program file."""
    table: dict[str, Any] = model_reference(given.model)
    if given.arguments:
        table["arguments"] = arguments_table(given.arguments)
    if given.weights is not None:
        table["weights"] = str(given.weights.resolve())
    if not given.inputs:
        raise RecipeError("the model's inputs are not named", "add --input NAME:SHAPE[:DTYPE], once per input")
    inputs, dims = input_tables(given.inputs)
    return {**table, "inputs": inputs, **({"dims": dims} if dims else {})}


def model_reference(model: str) -> dict[str, Any]:
    """The model as `factory` or `program`; RecipeError for what can be neither."""
    path = Path(model)
    if path.suffix in PROGRAM_SUFFIXES:
        return {"program": str(path.resolve())}
    if error := outline.fault(model, Path.cwd()):
        raise error
    file = source_file(model, Path.cwd())
    return {"factory": model if file is None else f"{file}:{model.rpartition(':')[2]}"}


def arguments_table(arguments: Sequence[str]) -> dict[str, Any]:
    """`num_classes=10` as the factory's keyword arguments; values are TOML, and what is no TOML is a text."""
    table: dict[str, Any] = {}
    for text in arguments:
        name, equals, given = text.partition("=")
        if not equals or not name.isidentifier():
            raise RecipeError(f"--argument {text!r}: not NAME=VALUE", "e.g. --argument num_classes=10")
        if name in table:
            raise RecipeError(f"--argument {name} is given twice", "leave one out")
        if given == "None":
            raise RecipeError(
                f"--argument {text!r}: a recipe has no None", "leave the argument out, or wrap the factory"
            )
        table[name] = toml_value({"True": "true", "False": "false"}.get(given, given))
    return table


def sizes_table(sizes: Sequence[str]) -> dict[str, int]:
    """`batch=4` as the size of a dynamic dimension."""
    table = {}
    for text in sizes:
        name, _, size = text.partition("=")
        if not name or not SIZE.fullmatch(size) or not 1 <= int(size) <= LARGEST_SIZE:
            raise RecipeError(f"--size {text!r}: not NAME=SIZE", "e.g. --size batch=4")
        table[name] = int(size)
    return table


def bench_options(threads: int, launches: int, seconds: float) -> BenchOptions:
    """The options of `bench`, within the limits that a recipe's [bench] has."""
    problems = Problems(Path.cwd())
    table = {"threads": [threads], "launches": launches, "seconds": seconds}
    made = problems.build(BenchOptions, "bench", table)
    problems.raise_any("command line")
    assert made is not None
    return made


def toml_value(text: str) -> Any:
    """A TOML value, or the text itself where it is none: `10`, `true`, `[1, 2]`, `DEFAULT`."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):  # ValueError: of tomllib, and of integers with too many digits
        return text
    value = parsed["value"]
    return value if len(parsed) == 1 and isinstance(value, bool | int | float | str | list | dict) else text


def default_name(given: ModelArguments) -> str:
    """What a run is called where nobody says: after the file, else after what the factory makes."""
    where, colon, function = given.model.rpartition(":")
    path = Path(where if colon else given.model)
    made = arguments_table(given.arguments).get("model_name", function)
    name = path.stem if path.suffix in (".py", *PROGRAM_SUFFIXES) or "/" in where else str(made)
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._") or "model"


def device_of(text: str) -> Device:
    """A device by its name, or with options as a recipe's table has them: { device = 'NAME', OPTION = … }."""
    table: dict[str, Any] = {"device": text}
    if text.lstrip().startswith("{"):
        try:
            table = tomllib.loads(f"table = {text}")["table"]
        except tomllib.TOMLDecodeError as error:
            raise RecipeError(f"--device {text}: {error}", "e.g. { device = 'local', pin_cpus = [0] }") from error
    name = table.pop("device", None)
    problems = Problems(Path.cwd())
    made = plugin_of("devices", name, "--device", table, problems)
    problems.raise_any("command line")
    assert isinstance(made, Device)
    return made


def variant_tables(variants: Sequence[str]) -> dict[str, list[Any]]:
    """`int8` (a short name) or `NAME=pass,pass` as entries of [variants]."""
    tables: dict[str, list[Any]] = {}
    for text in variants:
        name, equals, passes = text.partition("=")
        if equals:
            tables[name] = [item for item in passes.split(",") if item]
        elif name in SHORT_VARIANTS:
            tables[name] = list(SHORT_VARIANTS[name])
        else:
            raise RecipeError(
                f"--variant {text!r}: there is no such short name",
                f"one of {', '.join(SHORT_VARIANTS)}, or NAME=PASS,PASS with {', '.join(registry.names('passes'))}",
            )
    return tables

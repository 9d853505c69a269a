"""Recipes without a file: the tables that `convert`, `verify` and `init` make from their arguments."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from edgeship.toolchain import registry
from edgeship.toolchain.errors import RecipeError
from edgeship.toolchain.plugin import Device
from edgeship.toolchain.recipe.problems import Problems
from edgeship.toolchain.recipe.tables import plugin_of

# a pass list by its short name, for `convert --variant int8`
SHORT_VARIANTS: dict[str, list[str]] = {
    "float": [],
    "fp16": ["cast-fp16"],
    "int8": ["quantize-static"],
    "int8-dynamic": ["quantize-dynamic"],
    "int8-weights": ["quantize-weights"],
}


def input_table(text: str) -> dict[str, Any]:
    """`NAME:1x3x224x224[:dtype]` as an entry of model.inputs; a size may be a name with bounds, `batch[1-8]`.

    A dtype may have the values that are valid: `ids:1x128:int64[0-30521]`.
    """
    name, _, rest = text.partition(":")
    shape, _, dtype = rest.partition(":")
    if not name or not rest:
        raise RecipeError(f"--input {text!r}: not NAME:SHAPE[:DTYPE]", "e.g. --input image:1x3x224x224")
    sizes = [int(size) if size.isdigit() else size for size in shape.split("x")] if shape else []
    dtype, bracket, bounds = dtype.partition("[")
    table: dict[str, Any] = {"name": name, "shape": sizes, "dtype": dtype or "float32"}
    if bracket:
        low, dash, high = bounds.removesuffix("]").partition("-")
        if not dash or not low.isdigit() or not high.isdigit():
            raise RecipeError(f"--input {text!r}: [{bounds} is no range", "e.g. --input 'ids:1x128:int64[0-30521]'")
        table |= {"low": int(low), "high": int(high)}
    return table


def split_dims(inputs: list[dict[str, Any]]) -> dict[str, list[int]]:
    """Take the bounds out of sizes like `batch[1-8]` in place and answer them as model.dims."""
    dims: dict[str, list[int]] = {}
    for table in inputs:
        for axis, size in enumerate(table["shape"]):
            if isinstance(size, str):
                name, bracket, bounds = size.partition("[")
                low, dash, high = bounds.rstrip("]").partition("-")
                if not bracket or not dash or not low.isdigit() or not high.isdigit():
                    raise RecipeError(
                        f"--input {table['name']}: size {size!r} is neither a number nor a bounded name",
                        "e.g. --input 'image:batch[1-8]x3x224x224'",
                    )
                table["shape"][axis] = name
                dims[name] = [int(low), int(high)]
    return dims


def model_table(model: str, inputs: list[str], weights: Path | None = None) -> dict[str, Any]:
    """[model] from a factory reference (`package.module:function`, `./file.py:function`) or a program file."""
    tables = [input_table(text) for text in inputs]
    if not tables:
        raise RecipeError("the model's inputs are not named", "add --input NAME:SHAPE[:DTYPE], once per input")
    dims = split_dims(tables)
    table: dict[str, Any] = {"inputs": tables, "dims": dims}
    is_file = Path(model).suffix in (".pt2", ".pt", ".ts", ".pth", ".jit")
    table["program" if is_file else "factory"] = str(Path(model).resolve()) if is_file else model
    if weights is not None:
        table["weights"] = str(weights.resolve())
    return table


def data_table(data: str, samples: int | None = None) -> dict[str, Any]:
    """A data set from a path (by what lies there) or a function reference."""
    table: dict[str, Any] = {} if samples is None else {"samples": samples}
    path = Path(data)
    if ":" in data and not path.exists():
        return {**table, "source": "python", "function": data}
    if not path.exists():
        raise RecipeError(f"{data}: there is no such file or folder", "name data, or a ./file.py:function")
    if path.is_dir():
        kind = "huggingface" if (path / "dataset_info.json").exists() else "image-folder"
        return {**table, "source": kind, "path": str(path.resolve())}
    if path.suffix in (".npz", ".npy", ".safetensors"):
        return {**table, "source": "arrays", "path": str(path.resolve())}
    raise RecipeError(f"{data}: not a kind of data edgeship reads by its path", "declare it in a recipe")


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


def variant_tables(variants: list[str]) -> dict[str, list[Any]]:
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


PREPROCESS = "{ resize = 256, crop = [224, 224], mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225] }"

INIT = """# An edgeship recipe. `edgeship check` reads it, `edgeship run` does it.
#:schema edgeship-recipe.schema.json
name = "{name}"

[model]
factory = "{factory}"  # package.module:function or ./file.py:function
{weights}inputs = [{{ name = "image", shape = ["batch", 3, 224, 224] }}]
outputs = ["logits"]
dims = {{ batch = [1, 8] }}  # dynamic dimensions: smallest and largest size

# Representative inputs: quantization ranges come from them. Sources: {datasets}
[calibration]
source = "image-folder"
path = "./calibration"
preprocess = {preprocess}
samples = 128
select = "random"

# What artifacts are judged on. Without it: calibration data, else flagged synthetic inputs.
# [evaluation]
# source = "image-folder"
# path = "./evaluation"
# preprocess = {preprocess}
# metric = "top1"

# A variant is a list of passes, done in order: {passes}
[variants]
float = []
int8 = ["quantize-static"]

# One table per runtime: {targets}
[targets.executorch]
[targets.onnx]
[targets.litert]
"""


def init_text(name: str, factory: str, weights: str) -> str:
    """The recipe that `edgeship init` writes."""
    return INIT.format(
        name=name,
        factory=factory,
        preprocess=PREPROCESS,
        weights=f'weights = "{weights}"\n' if weights else "",
        datasets=", ".join(registry.names("datasets")),
        passes=", ".join(registry.names("passes")),
        targets=", ".join(registry.names("targets")),
    )

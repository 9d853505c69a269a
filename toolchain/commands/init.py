"""What `edgeship init` writes: a sample that works as it stands, or a recipe for the user's own model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgeship.toolchain import registry
from edgeship.toolchain.commands import model_facts
from edgeship.toolchain.errors import RecipeError, install_command
from edgeship.toolchain.recipe import arguments as tables
from edgeship.toolchain.recipe import schema as recipe_schema
from edgeship.toolchain.recipe import writer

SAMPLE = Path(__file__).with_name("sample")
SAMPLE_FILES = ("model.py", "weights.safetensors", "calibration.npz", "evaluation.npz")
SCHEMA_FILE = "edgeship-recipe.schema.json"
SHIPPED = ("executorch", "onnx", "litert")

OWN = """\
# An edgeship recipe: `edgeship check {file}` reads it, `edgeship run {file}` does it.
#:schema ./{schema}
{model}
# Inputs as the model will meet them: the ranges of quantized numbers come from these. Sources: {datasets}
# [calibration]
{data}
# samples = 128
# select = "random"

# What every file is judged on. Without it: calibration data, else made-up inputs, which say nothing of accuracy.
# [evaluation]
{data}
# metric = "top1"

# A variant is a list of passes, done in order: {passes}
[variants]
float = []
# int8 = ["quantize-static"]  # needs [calibration]

# The runtimes to ship for: {targets}
{tables}
"""


def write_sample(path: Path) -> list[Path]:
    """The sample's recipe as `path`, its model, weights and data beside it; answers what was written."""
    files = {path.parent / name: (SAMPLE / name).read_bytes() for name in SAMPLE_FILES}
    text = (SAMPLE / "recipe.toml").read_text().replace("recipe.toml", path.name)
    head, _, _ = text.partition("[targets.")
    return _write({path: f"{head}{_target_tables()}\n".encode(), **files})


def write_for(path: Path, given: tables.ModelArguments) -> list[Path]:
    """A recipe for a model: its inputs as given, else as it declares them; RecipeError where neither is known."""
    base = Path.cwd()
    table: dict[str, Any] = tables.model_reference(given.model)
    if given.arguments:
        table["arguments"] = tables.arguments_table(given.arguments)
    if given.weights is not None:
        table["weights"] = str(given.weights.resolve())
    facts = model_facts.ask(table, base)
    inputs, dims = tables.input_tables(given.inputs) if given.inputs else (facts.inputs, facts.dims)
    if not inputs:
        takes = facts.parameters or ("input",)
        named = " ".join(f"--input {name}:SHAPE[:DTYPE]" for name in takes)
        raise RecipeError(
            f"{given.model} does not say which shapes it takes",
            f"add {named}, e.g. --input {takes[0]}:1x3x224x224",
        )
    table |= {"inputs": inputs, **({"dims": dims} if dims else {})}
    folder = path.resolve().parent
    raw = writer.relative({"name": tables.default_name(given), "model": table}, folder, base)
    text = OWN.format(
        file=path.name,
        schema=SCHEMA_FILE,
        model=writer.text(raw),
        data=_data_lines(inputs, facts),
        datasets=", ".join(registry.names("datasets")),
        passes=", ".join(registry.names("passes")),
        targets=", ".join(registry.names("targets")),
        tables=_target_tables(),
    )
    return _write({path: text.encode()})


def _data_lines(inputs: list[dict[str, Any]], facts: model_facts.ModelFacts) -> str:
    """How data of this model can be declared: pictures for what looks like one, a function for all else."""
    from edgeship.calibration.own_preprocess import fitted

    shape = inputs[0]["shape"]
    pictures = len(inputs) == 1 and len(shape) == 4 and {1, 3} & {shape[1], shape[3]}
    if not pictures:
        return '# source = "python"\n# function = "./data.py:inputs"  # answers or yields inputs'
    options = facts.preprocess or {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    known = facts.origin or "EXAMPLE VALUES: write what it was trained with"
    table = writer.value(fitted(options, shape))
    return f'# source = "image-folder"\n# path = "./photos"\n# preprocess = {table}  # {known}'


def _target_tables() -> str:
    """[targets.…] of what is installed; the others as comments that say how to install them."""
    lines = []
    for name in SHIPPED:
        plugin = registry.load("targets", name)
        missing = [package for package in plugin.packages if not registry.version_of(package)]
        install = f"  # {install_command(plugin.extra, ' '.join(missing))}"
        lines.append(f"# [targets.{name}]{install}" if missing else f"[targets.{name}]")
    if all(line.startswith("#") for line in lines):
        lines.append("[targets.torchscript]")
    return "\n".join(lines)


def _write(files: dict[Path, bytes]) -> list[Path]:
    """Write files and the schema beside the first; nothing is written where one of them is there already."""
    recipe = next(iter(files))
    if there := [str(file) for file in files if file.exists()]:
        raise RecipeError(f"{', '.join(there)}: there already", "begin in an empty folder, or say --output")
    files = {**files, recipe.parent / SCHEMA_FILE: (json.dumps(recipe_schema.schema(), indent=1) + "\n").encode()}
    recipe.parent.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        file.write_bytes(content)
    return list(files)

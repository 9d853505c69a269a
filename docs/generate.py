"""Writes what the code says itself: docs/recipe.md, parts of other pages, the JSON Schemas (`make docs`)."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from docs import blocks
from edgeship.apps.board.refusal import REASONS
from edgeship.toolchain import registry
from edgeship.toolchain.bundle.manifest import Manifest
from edgeship.toolchain.model.source import ModelInput, ModelSource
from edgeship.toolchain.protocol.schema import write_schemas
from edgeship.toolchain.recipe.budgets import Budget
from edgeship.toolchain.recipe.plan import BenchOptions, BuildOptions, ContractOptions, Selection, VerifyOptions
from edgeship.toolchain.registry import Group
from edgeship.toolchain.report.document import Report

ROOT = Path(__file__).resolve().parent.parent
RECIPE = ROOT / "docs" / "recipe.md"
BUNDLE_SCHEMA = ROOT / "docs" / "edgeship-bundle-1.schema.json"
BUNDLES = ROOT / "docs" / "bundles.md"
REPORT_SCHEMA = ROOT / "docs" / "edgeship-report-2.schema.json"
PROTOCOL = ROOT / "apps" / "protocol"
PAGES = sorted((ROOT / "docs").glob("*.md"))
Schema = dict[str, Any]

HEAD = """# The recipe

Written by `make docs` from the options' own descriptions. Editors complete a recipe by its JSON Schema, which
`edgeship init` writes; `edgeship check` names every error at once. Paths that begin with `./` or `../` are taken from
the recipe's folder. `edgeship targets` lists the same plugins together with those that other packages brought.

A line is one model × one variant × one target; each is executed on every device.

| table | |
| --- | --- |
| `name` | what the run is called; else the file's name |
| `[model]` or `[models.NAME]` | what is converted; several, to compare architectures |
| `[calibration]`, `[evaluation]`, `[training]` | data; within `[models.NAME]` for this model alone |
| `[contract]` | what an app does around the model; within `[models.NAME]` for this model alone |
| `[variants]` | `NAME = [passes]`: a pass is a name or `{ pass = "NAME", OPTION = … }`; without: `float = []` |
| `[targets.NAME]` | runtimes; another name with `target = "NAME"` for the same one with other options |
| `[devices.NAME]` | what executes the files; without: `local` |
| `[analyses.NAME]` | what `edgeship tune` asks; it writes recipe.lock, which builds read |
| `[[budgets]]` | what files may cost at most; `run` says of each figure whether it is met |
| `[verify]`, `[bench]`, `[build]` | how files are judged, measured and built |
"""


BUDGETS = """A table limits the lines and devices that it names, one that names none of them all. `run` exits with 1
where a figure is exceeded and with 3 where one is not known, or where a latency's interval holds its limit. See
[ci.md](ci.md)."""


def recipe_page() -> str:
    """docs/recipe.md: every table with its options; plugins of other packages are left out."""
    parts = [HEAD]
    parts += ["## `[model]`", section(ModelSource), "Each of `inputs`:", section(ModelInput)]
    parts += ["## Data", "Beside the options of its source, a data table has these:", section(Selection)]
    parts += plugins("datasets", 'source = "{}"')
    parts += ["## `metric` of `[evaluation]`", 'A name, `"./file.py:function"`, or a table `{ name = "NAME", … }`.']
    parts += plugins("metrics", 'metric = "{}"')
    parts += ["## `[contract]`", section(ContractOptions)]
    parts += ["## Passes", *plugins("passes", "{}")]
    parts += ["## Targets", *plugins("targets", "[targets.{}]")]
    parts += ["## Devices", *plugins("devices", "[devices.{}]")]
    parts += ["## Analyses", *plugins("analyses", 'analysis = "{}"')]
    parts += ["## `[[budgets]]`", BUDGETS, section(Budget)]
    for name, table in (("verify", VerifyOptions), ("bench", BenchOptions), ("build", BuildOptions)):
        parts += [f"## `[{name}]`", section(table)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def plugins(group: Group, heading: str) -> Iterable[str]:
    """Each built-in plugin of a group."""
    for name in registry.BUILT_IN[group]:
        yield f"### `{heading.format(name)}`"
        yield section(registry.load(group, name))


def section(kind: type[BaseModel]) -> str:
    """What a table is for, and its options."""
    schema = kind.model_json_schema()
    text = inspect.cleandoc(kind.__doc__ or "")
    rows = [
        f"| `{name}` | {type_of(option, schema)} | {default_of(name, option, schema)} | {about(option, schema)} |"
        for name, option in schema.get("properties", {}).items()
    ]
    if not rows:
        return f"{text}\n\nNo options."
    return "\n".join([text, "", "| option | type | default | |", "| --- | --- | --- | --- |", *rows])


def about(option: Schema, schema: Schema) -> str:
    """An option's description, and the options of a table within it."""
    text = option["description"].replace("|", "\\|")
    for part in option.get("anyOf", [option]):
        table = resolved(part, schema)
        if "$ref" in part and "properties" in table:
            fields = "; ".join(f"`{name}` {field['description']}" for name, field in table["properties"].items())
            text += f". Of the table: {fields}".replace("|", "\\|")
    return text


def type_of(option: Schema, schema: Schema) -> str:
    """An option's type as TOML has it."""
    option = resolved(option, schema)
    if "anyOf" in option:
        kinds = [type_of(part, schema) for part in option["anyOf"] if part.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in option or "const" in option:
        return ", ".join(f"`{value}`" for value in option.get("enum", [option.get("const")]))
    kind = option.get("type", "any value")
    if kind == "array":
        if "prefixItems" in option:
            return "[" + ", ".join(type_of(part, schema) for part in option["prefixItems"]) + "]"
        return f"list of {type_of(option['items'], schema)}" if option.get("items") else "list"
    if kind == "string":
        return str(option.get("format", "text"))
    limits = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    told = [f"{sign} {option[key]:g}" for key, sign in limits.items() if key in option]
    return " ".join([{"object": "table", "boolean": "true or false"}.get(kind, str(kind)), ", ".join(told)]).strip()


def default_of(name: str, option: Schema, schema: Schema) -> str:
    """What an option is when it is left out."""
    if name in schema.get("required", []):
        return "**required**"
    value = option.get("default")
    if value is None or value in ("", [], {}):
        return ""
    return f"`{json.dumps(value)}`"


def resolved(option: Schema, schema: Schema) -> Schema:
    """An option's schema, one that is only named looked up."""
    reference = option.get("$ref")
    return schema["$defs"][reference.rpartition("/")[2]] if reference else option


def report_schema() -> str:
    """docs/edgeship-report-2.schema.json."""
    return json.dumps(Report.model_json_schema(by_alias=True), indent=1) + "\n"


def bundle_schema() -> str:
    """docs/edgeship-bundle-1.schema.json."""
    return json.dumps(Manifest.model_json_schema(by_alias=True), indent=1) + "\n"


def bundles_page() -> str:
    """docs/bundles.md with its table of reasons."""
    rows = [f"| `{word}` | {sentence} |" for word, sentence in REASONS.items()]
    table = "\n".join(["| reason | |", "| --- | --- |", *rows])
    begin, end = "<!-- reasons -->", "<!-- /reasons -->"
    before, _, rest = BUNDLES.read_text().partition(begin)
    return f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}"


def main() -> None:
    """Write the files."""
    BUNDLES.write_text(bundles_page())
    BUNDLE_SCHEMA.write_text(bundle_schema())
    RECIPE.write_text(recipe_page())
    REPORT_SCHEMA.write_text(report_schema())
    write_schemas(PROTOCOL)
    for page in PAGES:
        page.write_text(blocks.render(page.read_text(), ROOT))


if __name__ == "__main__":
    main()

"""The JSON Schema of a recipe, for editors; it follows from the registered plugins."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from edgeship.toolchain import registry
from edgeship.toolchain.model.source import ModelSource
from edgeship.toolchain.recipe.budgets import Budget
from edgeship.toolchain.recipe.plan import (
    CONTRACT,
    DATA_KEYS,
    BenchOptions,
    BuildOptions,
    ContractOptions,
    Selection,
    VerifyOptions,
)
from edgeship.toolchain.registry import Group

Schema = dict[str, Any]
TABLES: tuple[type[BaseModel], ...] = (
    ModelSource,
    Selection,
    ContractOptions,
    Budget,
    VerifyOptions,
    BenchOptions,
    BuildOptions,
)


class _Options:
    """The options of every plugin and table; types that several of them share are defined once."""

    def __init__(self) -> None:
        groups = registry.BUILT_IN
        self.plugins = {group: {name: registry.load(group, name) for name in registry.names(group)} for group in groups}
        kinds = dict.fromkeys((*TABLES, *(kind for plugins in self.plugins.values() for kind in plugins.values())))
        places, definitions = models_json_schema([(kind, "validation") for kind in kinds])
        self.definitions: Schema = definitions["$defs"]
        self._names = {kind: places[kind, "validation"]["$ref"].rpartition("/")[2] for kind in kinds}

    def of(self, kind: type[BaseModel], **more: Schema) -> Schema:
        """A table's schema, with the keys that stand beside its own."""
        table: Schema = self.definitions[self._names[kind]]
        return {**table, "properties": {**more, **table.get("properties", {})}}

    def named(self, group: Group, key: str, **more: Schema) -> dict[str, Schema]:
        """Each plugin's options, `key` that names it, and the keys `more`."""
        return {name: self.of(kind, **{key: {"const": name}}, **more) for name, kind in self.plugins[group].items()}

    def by_name(self, group: Group, key: str) -> Schema:
        """A table of tables whose names are plugins, or anything that names its plugin under `key`."""
        tables = self.named(group, key)
        others = [_requiring(table, key) for table in tables.values()]
        return {"type": "object", "properties": tables, "additionalProperties": {"anyOf": others}}

    def data(self, **more: Schema) -> Schema:
        """A data table: a source's own options, and which samples are used."""
        chosen = self.of(Selection)["properties"]
        tables = self.named("datasets", "source", **chosen, **more).values()
        return {"type": "object", "anyOf": [_requiring(table, "source") for table in tables]}

    def metric(self) -> Schema:
        """A metric: its name, ./file.py:function, or a table with its options."""
        tables = self.named("metrics", "name")
        function = {"type": "string", "pattern": ":", "description": "./file.py:function"}
        # a table with a function needs no name
        own = [table if name == "python" else _requiring(table, "name") for name, table in tables.items()]
        return {"anyOf": [{"enum": list(tables)}, function, *own]}


def _requiring(table: Schema, key: str) -> Schema:
    return {**table, "required": [key, *table.get("required", [])]}


def schema() -> Schema:
    """The JSON Schema of a recipe, for editors."""
    options = _Options()
    passes = options.named("passes", "pass")
    one_pass = {"anyOf": [{"enum": list(passes)}, *(_requiring(table, "pass") for table in passes.values())]}
    # defined once: each model may have data of its own
    definitions = {**options.definitions, "data": options.data(), "evaluation": options.data(metric=options.metric())}
    data: dict[str, Schema] = {
        key: {"$ref": f"#/$defs/{'evaluation' if key == 'evaluation' else 'data'}"} for key in DATA_KEYS
    }
    own: dict[str, Schema] = {**data, CONTRACT: options.of(ContractOptions)}
    model = options.of(ModelSource, **own)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "edgeship recipe",
        "type": "object",
        "additionalProperties": False,
        "$defs": definitions,
        "properties": {
            "name": {"type": "string"},
            "model": model,
            "models": {"type": "object", "additionalProperties": model},
            **own,
            "variants": {"type": "object", "additionalProperties": {"type": "array", "items": one_pass}},
            "targets": options.by_name("targets", "target"),
            "devices": {**options.by_name("devices", "device"), "minProperties": 1},
            "analyses": options.by_name("analyses", "analysis"),
            "budgets": {"type": "array", "items": options.of(Budget)},
            "verify": options.of(VerifyOptions),
            "bench": options.of(BenchOptions),
            "build": options.of(BuildOptions),
        },
    }

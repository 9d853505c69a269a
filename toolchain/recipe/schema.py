"""The JSON Schema of a recipe, for editors; it follows from the registered plugins."""

from __future__ import annotations

from typing import Any

from edgeship.toolchain import registry
from edgeship.toolchain.model.source import ModelSource
from edgeship.toolchain.recipe.read import DATA_KEYS, BenchOptions, BuildOptions, Selection, VerifyOptions


def _named(group: registry.Group, key: str) -> dict[str, dict[str, Any]]:
    """Each plugin's options plus the key that names it."""
    tables = {}
    for name in registry.names(group):
        table = registry.load(group, name).model_json_schema()
        table["properties"] = {**table.get("properties", {}), key: {"const": name}}
        tables[name] = table
    return tables


def _by_name(group: registry.Group, key: str) -> dict[str, Any]:
    """A table of tables whose names are plugins, or anything that names its plugin under `key`."""
    tables = _named(group, key)
    return {"type": "object", "properties": tables, "additionalProperties": {"anyOf": list(tables.values())}}


def schema() -> dict[str, Any]:
    """The JSON Schema of a recipe, for editors."""

    one_pass = {"anyOf": [{"enum": list(registry.names("passes"))}, *_named("passes", "pass").values()]}
    data = {
        "type": "object",
        "required": ["source"],
        "properties": {
            **Selection.model_json_schema()["properties"],
            "source": {"enum": list(registry.names("datasets"))},
            "metric": {"type": "string", "description": "top1, cosine or ./file.py:function (evaluation only)"},
        },
    }
    model = ModelSource.model_json_schema()
    definitions = model.pop("$defs", {})
    model["properties"].update(dict.fromkeys(DATA_KEYS, data))
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
            **dict.fromkeys(DATA_KEYS, data),
            "variants": {"type": "object", "additionalProperties": {"type": "array", "items": one_pass}},
            "targets": _by_name("targets", "target"),
            "devices": _by_name("devices", "device"),
            "verify": VerifyOptions.model_json_schema(),
            "bench": BenchOptions.model_json_schema(),
            "build": BuildOptions.model_json_schema(),
        },
    }

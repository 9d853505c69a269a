"""JSON Schemas of messages, as agents in other languages read them: what is unknown is absent, never null."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from edgeship.toolchain.protocol.machine import Part
from edgeship.toolchain.protocol.messages import Job, Result


def schemas() -> dict[str, str]:
    """File name → JSON Schema text, as kept in apps/protocol (`write_schemas` renews them)."""
    models: dict[str, type[Part]] = {"bench-job-1.schema.json": Job, "bench-result-1.schema.json": Result}
    return {name: _text(model, name) for name, model in models.items()}


def write_schemas(folder: Path) -> None:
    """Write the schemas: `write_schemas(Path("apps/protocol"))` after any change of the models."""
    for name, text in schemas().items():
        (folder / name).write_text(text)


def _text(model: type[BaseModel], name: str) -> str:
    """The schema of a model under the identifier `name`, as JSON text."""
    about = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": name}
    return json.dumps(about | _absent_not_null(model.model_json_schema(by_alias=True)), indent=1) + "\n"


def _absent_not_null(schema: Any) -> Any:
    """Without the null alternative and the null default of optional keys, and without titles made from their names."""
    if isinstance(schema, list):
        return [_absent_not_null(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: _absent_not_null(value)
        for key, value in schema.items()
        if (key, value) != ("default", None) and not (key == "title" and isinstance(value, str))
    }
    choices = [choice for choice in kept.pop("anyOf", []) if choice != {"type": "null"}]
    if len(choices) == 1:
        return {**choices[0], **kept}
    return {**kept, "anyOf": choices} if choices else kept

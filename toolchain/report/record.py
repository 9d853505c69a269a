"""The base of what commands tell as JSON documents."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A part of a document: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

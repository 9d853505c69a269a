"""edgeship-reduced-build/1: what `reduced-build` wrote as one JSON document."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edgeship.toolchain.report.record import Record


class Required(Record):
    """One runtime: what a build of it that can do no more than execute these files needs."""

    runtime: str
    files: list[str] = Field(description="by their names in the lists")
    operators: list[str] = Field(default_factory=list, description="as the runtime names them; backends, too")
    written: list[str] = Field(default_factory=list, description="the lists, relative to the folder")
    whole: str | None = Field(None, description="why nothing was written: there is no smaller build")


class RequiredOperators(Record):
    """Every runtime that the files have."""

    schema_: Literal["edgeship-reduced-build/1"] = Field("edgeship-reduced-build/1", alias="schema")
    folder: str
    runtimes: list[Required]

"""What a user downloads for a file: its own bytes, and those of the runtime that executes it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ConfigDict, Field

from edgeship.toolchain.measure.deflate import deflated
from edgeship.toolchain.report.document import Report, ReportLine

SOURCE = "libraries.toml"


class Library(BaseModel):
    """A runtime's libraries for one kind of device, as measured from the archive that brings them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    runtime: str
    platform: str
    package: str
    archive: str = Field("", description="kind:name@version of what was measured; empty: nothing was")
    files: tuple[str, ...] = Field((), description="those of its members that count; empty: all")
    size_bytes: int | None = Field(None, description="absent: not known")
    compressed_bytes: int | None = Field(None, description="deflated; of a wheel its own size")
    measured_at: date | None = None
    stand_in: bool = Field(False, description="of another build than the one that users take")
    note: str = ""

    @property
    def about(self) -> str:
        """What was measured, and what is to be known of it."""
        return "; ".join(filter(None, (f"{self.package}{' as a stand-in' if self.stand_in else ''}", self.note)))


@dataclass(frozen=True)
class Download:
    """A file to ship (its name, its line in a report) and a library that executes it."""

    name: str
    size_bytes: int
    compressed_bytes: int | None
    library: Library
    line: ReportLine | None = None

    @property
    def together_bytes(self) -> int | None:
        """Compressed; None where one of both is not known."""
        if self.compressed_bytes is None or self.library.compressed_bytes is None:
            return None
        return self.compressed_bytes + self.library.compressed_bytes


@cache
def libraries() -> tuple[Library, ...]:
    """All of targets/libraries.toml."""
    text = (Path(str(files("edgeship"))) / "targets" / SOURCE).read_text()
    return tuple(Library.model_validate(each) for each in tomllib.loads(text)["libraries"])


def libraries_of(runtime: str) -> list[Library]:
    """Those of one runtime, as artifact.json names it."""
    return [library for library in libraries() if library.runtime == runtime]


def downloads(report: Report) -> list[Download]:
    """For each file to ship every kind of device that is told of its runtime."""
    return [
        Download(line.name, line.artifact.size_bytes, line.compressed_bytes, library, line)
        for line in report.lines
        if line.recommended and line.artifact
        for library in libraries_of(line.artifact.runtime.name)
    ]


def downloads_of(manifest: Mapping[str, Any], open_file: Callable[[str], IO[bytes]]) -> list[Download]:
    """The same for each artifact of a bundle; `open_file` opens one of its files by name."""
    found = []
    for artifact in manifest["artifacts"]:
        names = dict.fromkeys(f"files/{file['sha256']}" for file in artifact["files"])
        compressed = 0
        for name in names:
            with open_file(name) as stream:
                compressed += deflated(stream)
        kinds = libraries_of(artifact["runtime"]["name"])
        found += [Download(artifact["name"], artifact["size_bytes"], compressed, library) for library in kinds]
    return found

"""What is publicly known of a phone or board: enough to say what will not fit before one is at hand."""

from __future__ import annotations

import difflib
import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from edgeship.toolchain.errors import RecipeError


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CoreCluster(_Table):
    """Equal cores."""

    cores: int = Field(ge=1)
    core: str = Field(description="as Arm or the maker calls it, in kebab case")
    max_mhz: int | None = None


class Profile(_Table):
    """One device on the market; features are Linux's names for what its CPU has."""

    name: str
    system: Literal["android", "ios", "linux", "baremetal"]
    minimum_version: str = Field("", description="of the system that it is sold with")
    ram_bytes: tuple[int, ...] = Field(description="the sizes that it is sold with; empty: as it is configured")
    features: frozenset[str]
    accelerators: tuple[str, ...] = ()
    app_memory_bytes: int | None = Field(None, description="what its maker asks one app to stay below")
    clusters: tuple[CoreCluster, ...]
    sources: tuple[str, ...] = Field(min_length=1)
    confidence: Literal["high", "medium", "low"]
    note: str = ""

    @property
    def has_dot_product(self) -> bool:
        """Whether four products of 8-bit integers are one instruction."""
        return bool({"asimddp", "helium"} & self.features)

    @property
    def has_half_arithmetic(self) -> bool:
        """Whether it computes in half precision."""
        return bool({"asimdhp", "helium"} & self.features)


@cache
def profiles() -> dict[str, Profile]:
    """Every profile by its name in targets/profiles."""
    folder = Path(str(files("edgeship") / "targets" / "profiles"))
    return {file.stem: _read(file) for file in sorted(folder.glob("*.toml"))}


def profile_named(name: str) -> Profile:
    """RecipeError for a name that there is not."""
    if name in profiles():
        return profiles()[name]
    near = difflib.get_close_matches(name, profiles(), 1)
    known = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(profiles())}"
    raise RecipeError(f"there is no device profile {name!r}", known)


def _read(file: Path) -> Profile:
    return Profile.model_validate(tomllib.loads(file.read_text()))

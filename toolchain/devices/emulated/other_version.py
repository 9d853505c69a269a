"""An emulated core with another version of a runtime than the one that is installed here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edgeship.toolchain.api import Agent, Artifact, RecipeError, RuntimeInfo
from edgeship.toolchain.devices.agents.carried import carried
from edgeship.toolchain.devices.agents.kits import KITS
from edgeship.toolchain.devices.emulated.device import EmulatedLink


class OtherVersion(EmulatedLink):
    """Counts what a version of a runtime executes; its libraries are fetched once.

    RecipeError for a runtime that no native agent drives.
    """

    def __init__(self, cpu: str, runtime: str, version: str) -> None:
        super().__init__(cpu)
        if runtime not in KITS:
            raise RecipeError(f"instructions of {runtime} cannot be counted", "leave --count out")
        self._version = version
        self._agent = carried(replace(KITS[runtime], release=version))

    def agents(self, runtime: RuntimeInfo) -> tuple[Agent, ...]:
        """The one with this version's libraries."""
        return (self._agent,)

    def conditions(self, artifact: Artifact) -> dict[str, Any]:
        """And this version, not the installed one."""
        return {**super().conditions(artifact), "runtime": self._version}

"""Stage: one picklable piece of work that makes an entry of the store and answers its key."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from edgeship.toolchain.build.memory import BARE_BYTES

Report = Callable[[str, str], None]
"""Takes what a stage says while it runs: ("progress", "warning" or "spent", the text: of "spent" a Timing as JSON)."""


class Stage(ABC):
    """Subclasses are frozen dataclasses: their fields are all that `run` knows, so that any process can run them."""

    work: ClassVar[str] = "work"
    """What a list of timings calls it."""

    @property
    def family(self) -> str:
        """Stages of one family import the same libraries and share a worker."""
        return "program"

    @property
    def priority(self) -> int:
        """Of stages that wait for a place the lowest goes first: programs, for targets wait for them."""
        return 0

    @property
    def attempts(self) -> int:
        """How often it is tried when its process dies: twice what many lines wait for, once what one line needs."""
        return 2

    @property
    def memory_bytes(self) -> int:
        """What it is expected to take: it starts when the machine has so much for it."""
        return BARE_BYTES

    @property
    def leads_to_bytes(self) -> int:
        """The most that it and what follows it is expected to take: where that is not there, it need not begin."""
        return self.memory_bytes

    @abstractmethod
    def run(self, report: Report) -> str:
        """Do the work, unless another process did it, and answer the entry's key."""


def collecting(report: Report) -> tuple[list[str], Callable[[str], None]]:
    """A list that fills with the warnings that are reported on the way."""
    warnings: list[str] = []

    def warn(message: str) -> None:
        warnings.append(message)
        report("warning", message)

    return warnings, warn
